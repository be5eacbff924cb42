"""The student's own tests: run under branch coverage, and worth what they reach and notice.

Credit is the share of tests that pass times the branch coverage of the lab's module over the lab's
threshold, at most 1 (and full from 3 % below the threshold on). Where the lab plants bugs, the share of them
that the tests notice caps it, and tests that refuse a correct implementation earn nothing.

Tests run in a process of their own, which reports what passed and the lines and branches it went through;
how many there are is counted here, from the source.
"""

import collections
import io
import json
import math
import os
import sys
import types
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage
import pytest

from labkit.results import SLACK
from labkit.runner import pytest_arguments

LEAST_REACHED = 4
"""At least a quarter of the planted bugs count, however few slow tests leave time for."""


@dataclass(frozen=True)
class Mutation:
    """What the student's tests made of implementations that are not the student's.

    Attributes
    ----------
    correct, refused : int
        Correct implementations that the tests met, and how many of them they refused.
    refusing : list of str
        The tests that did so, by the names they have with the student's own module.
    planted, reached, killed : int
        Implementations with one bug each: all there are, those that the tests met, those that some test failed for.
    survivors : list of str
        The bugs that no test failed for, in words.
    threshold : float
        The share of bugs to notice that earns all points.
    enough : bool
        Whether the rest was spared because it could not have changed the points any more: all are earned.
    """

    correct: int
    refused: int
    refusing: list[str]
    planted: int
    reached: int
    killed: int
    survivors: list[str]
    threshold: float
    enough: bool = False

    @property
    def cap(self) -> float:
        """The largest share of the points that the tests can earn."""
        if self.refused:
            return 0.0
        if not self.planted:
            return 1.0
        counted = max(self.reached, math.ceil(self.planted / LEAST_REACHED))
        return min(1.0, self.killed / counted * SLACK / self.threshold)

    @staticmethod
    def is_enough(killed: int, planted: int, threshold: float) -> bool:
        """Tell whether so many noticed bugs earn all points, whatever comes of the others."""
        return killed / planted * SLACK >= threshold


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
    impossible_arcs : int
        Steps from line to line that were reported and that no run of the module can make.
    mutation : Mutation or None
        What came of other implementations, where the tests met any.
    undone : int
        Failures for a place that is still to be filled in.
    """

    passed: int
    total: int
    coverage: float
    threshold: float
    failures: dict[str, str]
    impossible_arcs: int = 0
    mutation: Mutation | None = None
    undone: int = 0

    @classmethod
    def of(cls, module: Path, outcome: Mapping[str, Any], threshold: float) -> "OwnTests":
        """Judge what :func:`run_tests` returned; nothing in it is trusted.

        Parameters
        ----------
        module : Path
            The module that was tested.
        outcome : mapping
            ``passed`` (list of str), ``failed`` (dict of str to str), ``arcs`` (list of pairs of lines), ``undone``
            (list of str: those that failed for a ``NotImplementedError``).
        threshold : float
            The coverage that earns all points.
        """
        passed, failures = tests_passed(outcome), tests_failed(outcome)
        arcs = _sized(outcome.get("arcs"), list)
        share = branch_coverage(module, arcs) if passed else 0.0
        impossible = len(impossible_arcs(module, arcs))
        undone = len(_sized(outcome.get("undone"), list))
        return cls(
            len(passed), len(passed) + len(failures), share, threshold, failures, impossible, undone=undone
        )

    @property
    def share(self) -> float:
        """The share of the points that the tests earn."""
        if not self.total:
            return 0.0
        share = min(1.0, self.coverage * SLACK / self.threshold) * self.passed / self.total
        return min(share, self.mutation.cap) if self.mutation else share

    @property
    def unfinished(self) -> bool:
        """Whether there is nothing to judge yet."""
        return not self.total or self.undone > 0


def describe_own_tests(result: OwnTests) -> str:
    """Return the result in a few sentences."""
    text = (
        f"{result.passed} of {result.total} tests passed; branch coverage of the module is "
        f"{result.coverage:.0%}, and {result.threshold:.0%} is asked for."
    )
    text += "".join(f"\n     {name}: {why}" for name, why in list(result.failures.items())[:5])
    return text + (f"\n     {_describe_mutation(result.mutation)}" if result.mutation else "")


def _describe_mutation(mutation: Mutation) -> str:
    """Return what the other implementations showed; of their code only the bugs' titles may be told."""
    if mutation.refused:
        shown = mutation.refusing[:3]
        which = f"your test {' and '.join(shown)} fails" if shown else "your test file fails as a whole"
        return (
            f"But {which} for another correct implementation: it tests how, not what. Keep to the names and "
            "promises in the docstrings; a helper, a message or a number that only your module has is no "
            "promise. Such tests earn nothing, because they would turn a colleague's good work away."
        )
    text = (
        f"The grader planted bugs, one at a time: your tests noticed {mutation.killed} of {mutation.reached}, "
        f"and {mutation.threshold:.0%} are asked for."
    )
    if mutation.survivors:
        text += f" Not noticed, for example: {'; '.join(mutation.survivors[:3])}."
    if mutation.enough:
        spared = mutation.planted - mutation.reached
        text += f" That is enough, whatever came of the other {spared}, so these were spared."
    elif mutation.reached < mutation.planted:
        text += (
            f" Your tests are slow, so there was no time for the other {mutation.planted - mutation.reached}: "
            "smaller data and fewer epochs test as much."
        )
    return text


def announce_mutation(module: str, threshold: float) -> str:
    """Return what a student's own check says of the bugs that only the grader has."""
    return (
        f"The grader also runs your tests on other versions of {module}.py: they must accept the correct ones, "
        f"and notice {threshold:.0%} of the planted bugs."
    )


def tests_passed(outcome: Mapping[str, Any]) -> set[str]:
    """Return the names of the tests that passed, from what :func:`run_tests` returned."""
    return {str(name)[:200] for name in _sized(outcome.get("passed"), list)}


def tests_failed(outcome: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of the tests that failed and why, from what :func:`run_tests` returned."""
    return {str(name)[:200]: str(why)[:500] for name, why in _sized(outcome.get("failed"), dict).items()}


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


def impossible_arcs(module: Path, arcs: list[Any]) -> list[Any]:
    """Return the steps that no run of a module can make: to lines without code, or from one frame to another.

    Parameters
    ----------
    module : Path
        The module; it is compiled and not run.
    arcs : list of (int, int)
        Steps from line to line; entering or leaving a frame is the negative of its first line.

    Returns
    -------
    list
        Those of ``arcs`` that are impossible, each once; none where the module is no Python.
    """
    try:
        code = compile(module.read_bytes(), str(module), "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    frames_of: dict[int, set[int]] = collections.defaultdict(set)
    for number, frame in enumerate(_frames(code)):
        ends = {-frame.co_firstlineno, frame.co_firstlineno, *(line for *_, line in frame.co_lines() if line)}
        for end in ends:
            frames_of[end].add(number)
    pairs = {tuple(arc) if isinstance(arc, list) else arc for arc in arcs}
    return [arc for arc in pairs if not _shares_frame(arc, frames_of)]


def _shares_frame(arc: Any, frames_of: Mapping[int, set[int]]) -> bool:
    """Tell whether both ends of a step belong to one frame."""
    if not isinstance(arc, tuple) or [type(line) for line in arc] != [int, int]:
        return False
    start, end = (frames_of.get(line, set()) for line in arc)
    return not start.isdisjoint(end)


def _frames(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield a code object and those of the functions and classes in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _frames(constant)


def run_tests(
    folder: str | os.PathLike[str],
    module: str,
    without: Collection[str] = (),
    measure: bool = True,
    stop_at_first: bool = False,
) -> dict[str, Any]:
    """Run ``test_MODULE.py`` in ``folder``, in this process, which must be fresh.

    Parameters
    ----------
    folder : path-like
        Where module and tests are.
    module : str
        The module's name.
    without : collection of str
        Tests to leave out, by their names in an earlier result.
    measure : bool
        Whether to measure branch coverage; without it ``arcs`` is empty.
    stop_at_first : bool
        Whether the first failure ends the run.

    Returns
    -------
    dict
        ``passed``, ``failed``, ``undone`` and ``arcs``, see :meth:`OwnTests.of`.
    """
    folder = Path(folder).resolve()
    path = folder / f"{module}.py"
    os.chdir(folder)
    outcomes = _Outcomes(set(without))
    arguments = [*pytest_arguments(folder), *["--exitfirst"] * stop_at_first]
    measured = coverage.Coverage(data_file=None, branch=True, config_file=False, include=[str(path)])
    if measure:
        measured.start()
    try:
        pytest.main([*arguments, str(folder / f"test_{module}.py")], [outcomes])
    finally:
        if measure:
            measured.stop()
    data = measured.get_data()
    arcs = [list(arc) for file in data.measured_files() for arc in data.arcs(file) or ()]
    what = {"passed": outcomes.passed, "failed": outcomes.failed, "undone": outcomes.undone}
    return {**what, "arcs": sorted(arcs)}


class _Outcomes:
    """A pytest plugin that keeps which tests passed and why others did not."""

    def __init__(self, without: set[str]) -> None:
        self._without = without
        self.passed: list[str] = []
        self.failed: dict[str, str] = {}
        self.undone: list[str] = []

    def pytest_exception_interact(self, call: pytest.CallInfo[Any], report: pytest.CollectReport) -> None:
        """Note a test, or a test file, that met a place to fill in."""
        error = call.excinfo.value if call.excinfo else AssertionError()
        if isinstance(error, NotImplementedError) or isinstance(error.__cause__, NotImplementedError):
            self.undone.append(report.nodeid[:200])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a test file that cannot be imported."""
        if report.failed:
            self.failed[report.nodeid] = (
                report.longreprtext.strip().splitlines()[-1].removeprefix("E").strip()
            )

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the tests that are not wanted."""
        items[:] = [item for item in items if _name(item) not in self._without]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        """Note one test."""
        report, name = (yield), _name(item)
        if report.failed and call.excinfo is not None:
            self.failed[name] = f"{call.excinfo.type.__name__}: {call.excinfo.value}"
            self.passed = [passed for passed in self.passed if passed != name]
        elif call.when == "call" and report.passed:
            self.passed.append(name)
        return report


def _name(item: pytest.Item) -> str:
    """Return the name of a test within its file, with its class and parameters."""
    return item.nodeid.partition("::")[2][:200]


def _sized(value: Any, kind: type[list[Any]] | type[dict[Any, Any]]) -> Any:
    """Return a reported collection when it is of the right kind and not absurdly large."""
    return value if isinstance(value, kind) and len(value) <= 200_000 else kind()


if __name__ == "__main__":
    print(json.dumps(run_tests(sys.argv[1], sys.argv[2])))
