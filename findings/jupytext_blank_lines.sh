#!/usr/bin/env bash
# jupytext turns the two blank lines that a formatter puts after a function into metadata of the cell.
# Expected: blank lines between cells are layout, and the notebook does not depend on them. It matters where
# notebooks are derived from sources and compared, or where a cache of outputs is keyed on cell metadata.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check jupytext==1.19.6 ruff==0.17.6
cat > source.py << 'SOURCE'
# %%
def f():
    return 1

# %% [markdown]
# A sentence.
SOURCE
env/bin/jupytext --quiet --to ipynb --output before.ipynb source.py
env/bin/ruff format --quiet source.py
env/bin/jupytext --quiet --to ipynb --output after.ipynb source.py
env/bin/python - << 'PYTHON'
import json
from importlib.metadata import version
from pathlib import Path

before, after = (
    json.loads(Path(name).read_text(encoding="utf-8"))["cells"] for name in ("before.ipynb", "after.ipynb")
)
print(f"jupytext {version('jupytext')}, ruff {version('ruff')}: one source, before and after the formatter")
print(f"seen: the cells' sources are equal: {[c['source'] for c in before] == [c['source'] for c in after]}")
print(f"seen: metadata of the first cell before: {before[0]['metadata']}")
print(f"seen: metadata of the first cell after:  {after[0]['metadata']}")
assert [cell["source"] for cell in before] == [cell["source"] for cell in after], "changed"
assert before[0]["metadata"] == {}, "changed"
assert after[0]["metadata"] == {"lines_to_next_cell": 2}, "changed"
PYTHON
