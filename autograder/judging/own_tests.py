"""The student's own tests, judged: by their coverage, and by what they make of other implementations.

First they run on the student's module, under coverage. Then, where the lab has some, on correct implementations
that they must accept, and on implementations with one planted bug each that they must notice. Every run has a
worker of its own. All these modules have the same name and neither comments nor layout, and which comes when
depends on the instructor's secret; so a test that looks at text cannot tell them apart. What they learn answers to
its former names, too, so that tests written for earlier stubs are judged by the same measure.

The code of these modules is secret, and a test can put what it reads into its name or its message. So nothing
comes of their runs but truth values about tests that the run on the student's own module has named already.
"""

import collections
import dataclasses
import hashlib
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder.intake.submission import Submission
from autograder.judging.remote_workspace import RemoteWorkspace
from autograder.labs.definition import Lab
from autograder.labs.planted_bugs import normalised
from autograder.worker.launch import Launch
from autograder.worker.process import TimedOut
from labkit.own_tests import Mutation, OwnTests, tests_failed, tests_passed
from labkit.student import SubmissionError

CALLS = 2  # the student's tests may take as long as two calls
CORRECT_PATIENCE = 2  # another correct module may be half as fast as the student's own
MUTANT_PATIENCE, MUTANT_SECONDS = 2, 3  # a bug that makes the tests this much slower has been noticed
FORMER_NAMES = "import labkit.former_names\nlabkit.former_names.answer_to_former_names(globals())\n"
ATTEMPTS = ("escape-attempt", "tampering")
MOST_KNOWN = 1000  # runs
WALL = 4  # seconds on the clock for each of computing time: a busy machine, or tests that sleep


def judge_own_tests(
    lab: Lab,
    submission: Submission,
    preload: Sequence[str],
    launch: Launch,
    patience: float = 1.0,
    mutate: bool = True,
) -> tuple[OwnTests, RemoteWorkspace, dict[str, float]]:
    """Judge the student's own tests.

    Parameters
    ----------
    lab, submission : Lab, Submission
        The lab, and a submission that has a module and tests.
    preload : sequence of str
        What workers import before the first request.
    launch : Launch
        How workers are started.
    patience : float
        Share of the usual time that the tests may take.
    mutate : bool
        Whether to try them on other implementations, too, where the lab has any.

    Returns
    -------
    tuple of OwnTests, RemoteWorkspace, dict
        What they achieved; the workspace of the run on the student's own module, closed; wall seconds by what
        they went to.
    """
    began = time.monotonic()
    with RemoteWorkspace(submission.files, lab.module, [], lab.limits, preload, launch) as workspace:
        try:
            outcome = workspace.run_tests(lab.limits.call_cpu_seconds * CALLS * patience)
        except SubmissionError as error:
            outcome = {"failed": {"all": str(error)}}
    outcome = outcome if isinstance(outcome, dict) else {}
    result = OwnTests.of(submission.files[lab.files.module], outcome, lab.thresholds.get("coverage", 0.8))
    if result.impossible_arcs:
        fact = f"the coverage of the tests claims {result.impossible_arcs} steps that {lab.files.module} does not have"
        workspace.evidence[fact] = "tampering"
    timings = {"own tests": time.monotonic() - began}
    if mutate and result.passed and (lab.mutants or lab.variants):
        began = time.monotonic()
        trial = _Trial(lab, submission, preload, launch)
        result = dataclasses.replace(result, mutation=_mutate(lab, tests_passed(outcome), trial))
        workspace.evidence |= trial.evidence
        timings["mutants"] = time.monotonic() - began
    return result, workspace, timings


def _mutate(lab: Lab, passed: set[str], trial: "_Trial") -> Mutation:
    """Try the tests on the lab's correct implementations and, if they accept those, on its planted bugs.

    Of the tests that failed on the student's own module, and have cost their share there, those count that the
    correct implementations pass. Bugs come in the same order for every submission.
    """
    order = random.Random(lab.hidden_seed)
    correct = order.sample(texts := [lab.reference, *lab.variants.values()], len(texts))
    mutants = order.sample(lab.mutants, len(lab.mutants))
    refused, refusing, unsound, reached = 0, set(), set(), 0
    for text in correct:
        outcome = trial.run(text, lab.limits.call_cpu_seconds * CALLS * CORRECT_PATIENCE)
        failed = set(tests_failed(outcome or {}))
        unsound |= failed - passed
        if failed & passed or not tests_passed(outcome or {}) & passed:
            refused += 1
            refusing |= failed & passed
    survivors: list[str] = []
    budget = lab.limits.mutation_cpu_seconds if not refused else 0
    patience = trial.longest * MUTANT_PATIENCE + MUTANT_SECONDS
    threshold = lab.thresholds.get("mutants", 0.8)
    enough = False
    trial.spent = 0.0
    for mutant in mutants:
        seconds = min(patience, budget - trial.spent)
        if enough or seconds <= 0:
            break
        outcome = trial.run(mutant.text, seconds, without=sorted(unsound), stop_at_first=True)
        if outcome is None and trial.timed_out and seconds < patience:
            break  # the whole budget, and not this bug's own time, has come to its end
        reached += 1
        if outcome is not None and not tests_failed(outcome):
            survivors.append(mutant.title)
        enough = Mutation.is_enough(reached - len(survivors), len(mutants), threshold)
    return Mutation(
        correct=len(correct),
        refused=refused,
        refusing=sorted(refusing),
        planted=len(mutants),
        reached=reached,
        killed=reached - len(survivors),
        survivors=survivors,
        threshold=threshold,
        enough=enough and reached < len(mutants),
    )


@dataclasses.dataclass(frozen=True)
class _Run:
    """What came of one run of tests on one module, and its computing time in seconds."""

    outcome: dict[str, Any] | None
    cost: float
    evidence: dict[str, str]


_known: collections.OrderedDict[str, _Run] = collections.OrderedDict()
"""Runs of this process that came to an end: members of a team hand in the same tests, to the letter."""


class _Trial:
    """Runs one submission's tests on other modules; a new worker each time.

    Attributes
    ----------
    spent, longest : float
        Computing time of all runs, and of the longest, in seconds.
    timed_out : bool
        Whether the last run was stopped.
    evidence : dict of str to str
        What the tests attempted, and its flag; that a bug made them hang or end is nothing of the kind.
    """

    def __init__(self, lab: Lab, submission: Submission, preload: Sequence[str], launch: Launch) -> None:
        self._lab, self._files, self._preload, self._launch = lab, submission.files, preload, launch
        tests = {name: path for name, path in submission.files.items() if name != lab.files.module}
        contents = [
            (name, hashlib.sha256(path.read_bytes()).digest()) for name, path in sorted(tests.items())
        ]
        self._key = repr((lab.name, launch.name, contents))
        self.spent = self.longest = 0.0
        self.timed_out = False
        self.evidence: dict[str, str] = {}

    def run(self, text: str, seconds: float, **options: Any) -> dict[str, Any] | None:
        """Return the outcome of the tests on a module, None when they ended the process or were stopped."""
        key = hashlib.sha256(repr((self._key, text, sorted(options.items()))).encode()).hexdigest()
        self.timed_out = False
        if (run := _known.get(key)) is None:
            run = self._run(text, seconds, options)
            if run.outcome is not None:
                _known[key] = run
                while len(_known) > MOST_KNOWN:
                    _known.popitem(last=False)
        self.evidence |= run.evidence
        self.spent += run.cost
        self.longest = max(self.longest, run.cost)
        return run.outcome

    def _run(self, text: str, seconds: float, options: dict[str, Any]) -> _Run:
        """Run the tests on a module in a worker of its own."""
        wall = seconds * WALL
        limits = dataclasses.replace(self._lab.limits, call_wall_seconds=wall, submission_seconds=wall + 60)
        with tempfile.TemporaryDirectory(prefix="implementation-") as folder:
            module = Path(folder, self._lab.files.module)
            module.write_text(normalised(text) + FORMER_NAMES, encoding="utf-8")
            files = {**self._files, module.name: module}
            with RemoteWorkspace(
                files, self._lab.module, [], limits, self._preload, self._launch
            ) as workspace:
                began = time.monotonic()
                try:
                    outcome = workspace.run_tests(seconds, measure=False, **options)
                    cost = workspace.cpu_seconds
                except SubmissionError as error:
                    outcome, self.timed_out = None, isinstance(error, TimedOut)
                    cost = min(seconds, time.monotonic() - began)
        attempts = {fact: flag for fact, flag in workspace.evidence.items() if flag in ATTEMPTS}
        return _Run(outcome if isinstance(outcome, dict) else None, max(0.0, cost), attempts)
