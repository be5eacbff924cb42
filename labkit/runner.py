"""Runs checks: pytest files that see a submission only through the fixture ``student``.

Their other fixtures are ``margin`` and ``lab``, all of session scope. Each check carries the mark
``question(name, hint=..., weight=1)``. Feedback shows its docstring: the first paragraph is what is expected, a
second one, where there is one, what was tried. Both are for students: no data, no code.
"""

import builtins
import contextlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from itemmarket.errors import MarketDataError
from labkit.results import CheckResult, Failure, Margin
from labkit.student import Student, StudentError, SubmissionError

_WORDS_FOR = {
    Failure.WRONG: "An answer came back, but not the expected one.",
    Failure.STOPPED: "Your code was stopped: it ran into a limit, or its process ended.",
    Failure.UNDONE: "Something is not done yet.",
    Failure.MALFORMED: "What came back has not the expected form.",
}
_WORDS = re.compile(r"[A-Za-z]+(?:[ -][A-Za-z]+)*")
_EXCEPTIONS = {
    name
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
}
_GRADERS_FAULT = (OSError, ImportError, MarketDataError)  # plain data from a student cannot cause these


class CheckFileError(ValueError):
    """Check files that cannot run: the lab is to blame, not the submission."""


def run_checks(
    files: Sequence[tuple[Path, bool]], student: Student, lab: Any, question: str | None = None
) -> list[CheckResult]:
    """Run the checks of a lab against a submission, in this process.

    Parameters
    ----------
    files : sequence of (Path, bool)
        Check files of one folder, and whether students have them.
    student : Student
        The submission.
    lab : object with ``thresholds`` and ``folder``
        The lab's settings, which the fixture ``lab`` gives.
    question : str, optional
        Run the checks of this question only.

    Returns
    -------
    list of CheckResult
        In the order of the files.

    Raises
    ------
    CheckFileError
        If a check file cannot be collected or a check has no question.
    """
    recorder = _Recorder(student, lab, {path.resolve(): visible for path, visible in files}, question)
    with _own_imports(files[0][0].parent, [path.stem for path, _ in files]):
        code = pytest.main([*pytest_arguments(lab.folder), *(str(path) for path, _ in files)], [recorder])
    if code == pytest.ExitCode.INTERRUPTED and not recorder.problems:
        raise KeyboardInterrupt
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED):
        recorder.problems.append(f"pytest ended with {code!r}")
    if recorder.problems:
        raise CheckFileError("the lab's checks cannot run:\n" + "\n".join(recorder.problems))
    return list(recorder.results.values())


def pytest_arguments(folder: Path) -> list[str]:
    """Return options under which pytest prints nothing and reads no configuration around ``folder``."""
    unused = (
        *(
            "terminal",
            "cacheprovider",
            "faulthandler",
            "logging",
            "pastebin",
            "junitxml",
            "setuponly",
            "setupplan",
        ),
        *("stepwise", "unraisableexception", "threadexception"),
    )
    quiet = [f"-pno:{plugin}" for plugin in unused]  # the last two collect garbage for a second at each run
    alone = ["--disable-plugin-autoload", "--noconftest", "--import-mode=prepend", "--capture=sys"]
    no_settings = ["-c", os.devnull, "--rootdir", str(folder)]
    no_settings += ["--confcutdir", str(folder)]  # else pytest looks at every file in every folder above
    return [*quiet, *alone, *no_settings]


class _Recorder:
    """A pytest plugin: offers the fixtures, and keeps what comes of each check."""

    def __init__(self, student: Student, lab: Any, visible: dict[Path, bool], question: str | None) -> None:
        self._student, self._lab, self._visible, self._question = student, lab, visible, question
        self._current: CheckResult | None = None
        self._lives = student.lives if student else 0
        self._made: list[tuple[pytest.FixtureDef[Any], pytest.FixtureRequest]] = []
        self.results: dict[str, CheckResult] = {}
        self.problems: list[str] = []

    @pytest.fixture(scope="session")
    def student(self) -> Student:
        """The submission."""
        return self._student

    @pytest.fixture(scope="session")
    def lab(self) -> Any:
        """The lab's settings."""
        return self._lab

    @pytest.fixture(scope="session")
    def margin(self) -> Callable[..., None]:
        """Record a figure beside its threshold, and assert that it keeps it within 3 %."""

        def record(
            name: str, value: float, at_most: float | None = None, at_least: float | None = None
        ) -> None:
            threshold = at_least if at_most is None else at_most
            if threshold is None or self._current is None:
                raise TypeError("margin needs at_most or at_least, and a check that runs")
            figure = Margin(name, float(value), float(threshold), at_most is not None)
            self._current.margins.append(figure)
            word = "at most" if figure.at_most else "at least"
            assert figure.passed, (
                f"{name} is {figure.value:.4g}, and {word} {figure.threshold:g} is asked for"
            )

        return record

    def pytest_configure(self, config: pytest.Config) -> None:
        """Register the mark."""
        config.addinivalue_line(
            "markers", "question(name, hint, weight): the question that a check belongs to"
        )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a check file that cannot be imported."""
        if report.failed:
            self.problems.append(report.longreprtext)

    def pytest_internalerror(self, excrepr: Any) -> None:
        """Note a failure of pytest itself."""
        self.problems.append(str(excrepr))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the checks of the wanted question."""
        for item in items:
            mark = item.get_closest_marker("question")
            text = item.function.__doc__ if isinstance(item, pytest.Function) else ""
            if mark is None or not mark.args or not (text or "").strip():
                self.problems.append(f"{item.nodeid} has no mark question(name) or no docstring")
                continue
            title, tried, *_ = [*_paragraphs(text), ""]
            visible = self._visible[item.path.resolve()]
            variant = item.callspec.id if hasattr(item, "callspec") else ""
            if variant and (visible or _WORDS.fullmatch(variant)):  # pytest makes ids of values: hidden data
                title += f" ({variant})"
            self.results[item.nodeid] = CheckResult(
                question=mark.args[0],
                title=title,
                hint=mark.kwargs.get("hint", ""),
                weight=mark.kwargs.get("weight", 1),
                visible=visible,
                tried=tried,
            )
        if self._question is not None:
            self.results = {k: r for k, r in self.results.items() if r.question == self._question}
        items[:] = [item for item in items if item.nodeid in self.results]

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        """Remember the lab's fixtures that worked, such as a fitted model: they may hold the student's objects."""
        value = yield
        if fixturedef.argname not in ("student", "lab", "margin"):
            self._made.append((fixturedef, request))
        return value

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Remember which check records margins now; make fixtures anew when their objects were lost."""
        self._current = self.results[item.nodeid]
        if self._student.lives != self._lives:
            self._lives = self._student.lives
            self._student.memo.clear()
            for fixturedef, request in reversed(self._made):
                fixturedef.finish(request)
            self._made.clear()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep the verdict; a check passes when its call did, a skipped one does not count."""
        report = yield
        if report.skipped:
            self.results.pop(item.nodeid, None)
        elif call.when == "call" and report.passed:
            self.results[item.nodeid].passed = True
        elif call.when != "teardown" and report.failed and call.excinfo is not None:
            result, error = self.results[item.nodeid], call.excinfo.value
            if isinstance(error, _GRADERS_FAULT):
                self.problems.append(f"{item.nodeid}: {type(error).__name__}: {error}")
            result.error = error
            result.message, result.traceback = _explain(error)
            result.reason, result.kind = _reason(error), _kind(error)
        return report


def _explain(error: BaseException) -> tuple[str, str]:
    """Return a failure in words for the student, and the student's own frames."""
    if isinstance(error, StudentError):
        return str(error), error.traceback
    if isinstance(error, (SubmissionError, AssertionError)):
        return str(error)[:2000] or "the check's assertion does not hold", ""
    if isinstance(error, NotImplementedError):  # raised by the check: something is not done yet
        return str(error)[:2000] or "not done yet", ""
    return f"what came back has not the expected form ({type(error).__name__}: {error})"[:2000], ""


def _reason(error: BaseException) -> Failure:
    """Return why a check failed, by the type of what was raised."""
    if isinstance(error, StudentError):
        return Failure.UNDONE if error.is_a(NotImplementedError) else Failure.RAISED
    if isinstance(error, SubmissionError):
        return Failure.STOPPED
    if isinstance(error, AssertionError):
        return Failure.WRONG
    return Failure.UNDONE if isinstance(error, NotImplementedError) else Failure.MALFORMED


def _kind(error: BaseException) -> str:
    """Return what came back, in words from a fixed list.

    A hidden check's inputs pass through the student's code, which could put them into a message or the name of
    a class: of an exception only the nearest of Python's own classes is named.
    """
    if isinstance(error, StudentError):
        names = [name.removeprefix("builtins.") for name in error.mro if name.startswith("builtins.")]
        known = [name for name in names if name in _EXCEPTIONS]
        return f"Your code raised {known[0]}." if known else "Your code raised an error."
    return _WORDS_FOR[_reason(error)]


def _paragraphs(docstring: str) -> list[str]:
    """Return the paragraphs of a docstring, each on one line."""
    return [
        " ".join(text.split()) for text in re.split(r"\n\s*\n", inspect.cleandoc(docstring)) if text.strip()
    ]


@contextlib.contextmanager
def _own_imports(folder: Path, check_files: Sequence[str]) -> Iterator[None]:
    """Let check files import their neighbours, but not those of another lab that this process checked.

    A check file that a notebook has imported itself is imported again, once: only pytest's own import makes
    a failed ``assert`` say what the values were.
    """
    for name in [path.stem for path in folder.glob("*.py")]:
        loaded = sys.modules.get(name)
        origin = Path(getattr(loaded, "__file__", None) or folder)
        of_another_lab = origin.name == f"{name}.py" and origin.parent != folder
        plain = name in check_files and "@pytest_ar" not in vars(loaded or object)
        if loaded and (of_another_lab or plain):
            del sys.modules[name]
    addopts = os.environ.pop("PYTEST_ADDOPTS", None)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if addopts is not None:
            os.environ["PYTEST_ADDOPTS"] = addopts
