#!/usr/bin/env bash
# nbgrader gives no points to a right solution that shows a progress bar: any output on stderr fails a test cell.
# Expected: a test cell whose assertions pass gets its points. A warning of a library
# costs the points in the same way.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check nbgrader==0.9.6 tqdm==4.70.1
export PATH="$PWD/env/bin:$PATH" # nbgrader calls alembic by name
mkdir -p source/lab
env/bin/python - << 'PYTHON'
import nbformat
from nbformat.v4 import new_code_cell, new_notebook


def cell(name, source, **options):
    kind = {"schema_version": 3, "grade_id": name, "grade": False, "solution": False, "locked": False, "task": False}
    return new_code_cell(source, metadata={"nbgrader": kind | options})


solutions = {
    "plain": "return sum(numbers)",
    "with_bar": "return sum(tqdm(numbers))",
    "with_warning": "warn('a library says so', FutureWarning)\n    return sum(numbers)",
}
cells = []
for name, line in solutions.items():
    body = f"    ### BEGIN SOLUTION\n    {line}\n    ### END SOLUTION"
    source = f"from warnings import warn\nfrom tqdm import tqdm\n\ndef {name}(numbers):\n{body}"
    cells.append(cell(name, source, solution=True))
    test = f"assert {name}(range(10)) == 45"
    cells.append(cell(f"test_{name}", test, grade=True, locked=True, points=3))
kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), "source/lab/lab.ipynb")
PYTHON
nbgrader generate_assignment lab --create > log 2>&1
mkdir -p submitted/ada/lab
cp source/lab/lab.ipynb submitted/ada/lab/
nbgrader autograde lab >> log 2>&1
env/bin/python - << 'PYTHON'
from importlib.metadata import version

import nbformat
from nbgrader.api import Gradebook

with Gradebook("sqlite:///gradebook.db") as gradebook:
    grades = {grade.name: grade.auto_score for grade in gradebook.find_submission("lab", "ada").notebooks[0].grades}
cells = nbformat.read("autograded/ada/lab/lab.ipynb", 4).cells
failed = [output for cell in cells for output in cell.outputs if output.output_type == "error"]
print(f"nbgrader {version('nbgrader')}: the reference solution, graded; assertions that failed: {len(failed)}")
for name, score in grades.items():
    print(f"seen: {name}: {score:g} of 3 points")
assert not failed, "changed"
assert grades == {"test_plain": 3, "test_with_bar": 0, "test_with_warning": 0}, "changed"
PYTHON
