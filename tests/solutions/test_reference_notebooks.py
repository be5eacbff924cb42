"""Each lab's notebook as a good student leaves it: restarted and run from top to bottom, explorations and checks."""

import os
import shutil

import pytest

from autograder.labs.definition import load_lab
from tasks import BUDGET_SECONDS, execute
from tests.conftest import ROOT
from tests.fairness.submissions import solve

LABS = sorted(path.parent.name for path in ROOT.glob("solutions/*/lab.toml"))


def cpu_seconds_of_children() -> float:
    """Return the computing time of all processes that this one has started and that have ended."""
    times = os.times()
    return times.children_user + times.children_system


@pytest.mark.timeout(
    4 * BUDGET_SECONDS
)  # by the wall's clock, on a slow machine with another worker beside it
@pytest.mark.parametrize("name", LABS)
def test_the_solved_notebook_runs_within_its_budget(root, tmp_path, monkeypatch, capsys, name):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # so that computing time is what a quiet machine would take
    lab = load_lab(root / "solutions" / name)
    folder = tmp_path / name
    shutil.copytree(root / "labs" / name, folder)
    for file, content in solve(lab).items():
        path = folder / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    before = cpu_seconds_of_children()
    code = execute(folder / lab.files.notebook, tmp_path / "executed.ipynb")
    assert code == 0, capsys.readouterr().err
    assert cpu_seconds_of_children() - before < BUDGET_SECONDS
