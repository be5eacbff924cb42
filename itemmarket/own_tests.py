"""The student's own tests: run under branch coverage, and worth what they reach.

Credit is the share of tests that pass times the branch coverage of the lab's module over the lab's
threshold, at most 1 (and full from 3 % below the threshold on). Tests run in a process of their own, which
reports the lines and branches it went through; how many there are is counted here, from the source.
"""

import io
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage
import pytest

from itemmarket.checks import pytest_arguments
from itemmarket.verdicts import SLACK


@dataclass(frozen=True)
class OwnTests:
    """What the student's tests achieved.

    Attributes
    ----------
    passed, total : int
        Tests that passed, and all.
    coverage : float
        Branch coverage of the module, 0 to 1.
    threshold : float
        The coverage that earns all points.
    failures : dict of str to str
        Name of a failed test and why.
    """

    passed: int
    total: int
    coverage: float
    threshold: float
    failures: dict[str, str]

    @classmethod
    def of(cls, module: Path, outcome: Mapping[str, Any], threshold: float) -> "OwnTests":
        """Judge what :func:`run_tests` returned; nothing in it is trusted.

        Parameters
        ----------
        module : Path
            The module that was tested.
        outcome : mapping
            ``passed`` (list of str), ``failed`` (dict of str to str), ``arcs`` (list of pairs of lines).
        threshold : float
            The coverage that earns all points.
        """
        passed = {str(name) for name in _sized(outcome.get("passed"), list)}
        failures = {str(n)[:200]: str(why)[:500] for n, why in _sized(outcome.get("failed"), dict).items()}
        share = branch_coverage(module, _sized(outcome.get("arcs"), list)) if passed else 0.0
        return cls(len(passed), len(passed) + len(failures), share, threshold, failures)

    @property
    def share(self) -> float:
        """The share of the points that the tests earn."""
        if not self.total:
            return 0.0
        return min(1.0, self.coverage * SLACK / self.threshold) * self.passed / self.total

    @property
    def unfinished(self) -> bool:
        """Whether there is nothing to judge yet."""
        return not self.total or any(why.startswith("NotImplementedError") for why in self.failures.values())


def describe_own_tests(result: OwnTests) -> str:
    """Return the result in a sentence or two."""
    text = (
        f"{result.passed} of {result.total} tests passed; branch coverage of the module is "
        f"{result.coverage:.0%}, and {result.threshold:.0%} is asked for."
    )
    return text + "".join(f"\n     {name}: {why}" for name, why in list(result.failures.items())[:5])


def branch_coverage(module: Path, arcs: list[Any]) -> float:
    """Return the branch coverage of a module.

    Parameters
    ----------
    module : Path
        The module; statements and branches are counted in it.
    arcs : list of (int, int)
        Steps from line to line that were seen; those that the source does not have count for nothing.

    Returns
    -------
    float
        (statements run + branches taken) / (statements + branches), 0 to 1, as coverage.py reports it.
    """
    pairs = {tuple(arc) for arc in arcs if isinstance(arc, list) and [type(n) for n in arc] == [int, int]}
    measured = coverage.Coverage(data_file=None, branch=True, config_file=False)
    for kind in ("exclude", "partial"):
        measured.clear_exclude(kind)  # "pragma: no cover" excludes nothing here
    path = str(module.resolve())
    measured.get_data().add_arcs({path: pairs})
    try:
        return measured.report(morfs=[path], file=io.StringIO()) / 100
    except coverage.CoverageException:  # the module is no Python, or nothing was seen
        return 0.0


def run_tests(folder: str | os.PathLike[str], module: str) -> dict[str, Any]:
    """Run ``test_MODULE.py`` in ``folder`` under branch coverage, in this process, which must be fresh.

    Returns
    -------
    dict
        ``passed``, ``failed`` and ``arcs``, see :meth:`OwnTests.of`.
    """
    folder = Path(folder).resolve()
    path = folder / f"{module}.py"
    os.chdir(folder)
    outcomes = _Outcomes()
    measured = coverage.Coverage(data_file=None, branch=True, config_file=False, include=[str(path)])
    measured.start()
    try:
        pytest.main([*pytest_arguments(folder), str(folder / f"test_{module}.py")], [outcomes])
    finally:
        measured.stop()
    data = measured.get_data()
    arcs = [list(arc) for file in data.measured_files() for arc in data.arcs(file) or ()]
    return {"passed": outcomes.passed, "failed": outcomes.failed, "arcs": sorted(arcs)}


class _Outcomes:
    """A pytest plugin that keeps which tests passed and why others did not."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.failed: dict[str, str] = {}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a test file that cannot be imported."""
        if report.failed:
            self.failed[report.nodeid] = (
                report.longreprtext.strip().splitlines()[-1].removeprefix("E").strip()
            )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo) -> Any:
        """Note one test."""
        report = yield
        if report.failed:
            self.failed[item.name] = f"{call.excinfo.type.__name__}: {call.excinfo.value}"
            self.passed = [name for name in self.passed if name != item.name]
        elif call.when == "call" and report.passed:
            self.passed.append(item.name)
        return report


def _sized(value: Any, kind: type) -> Any:
    """Return a reported collection when it is of the right kind and not absurdly large."""
    return value if isinstance(value, kind) and len(value) <= 200_000 else kind()


if __name__ == "__main__":
    print(json.dumps(run_tests(sys.argv[1], sys.argv[2])))
