"""The planted bugs of the labs: the reference's own tests notice each of them, and refuse no correct module."""

import dataclasses
from pathlib import Path

import pytest

from autograder.intake.submission import unpack
from autograder.judging.own_tests import judge_own_tests
from autograder.labs.definition import load_lab
from autograder.running.deadline import reference
from autograder.sandbox.choose import launcher, resolve
from tests.conftest import ROOT

LABS = sorted(path.parent.name for path in ROOT.glob("solutions/*/lab.toml"))


@pytest.mark.long
@pytest.mark.parametrize("name", LABS)
def test_the_references_tests_notice_every_planted_bug(name: str, tmp_path: Path) -> None:
    lab = load_lab(ROOT / "solutions" / name)
    everything = dataclasses.replace(lab.limits, mutation_cpu_seconds=3600)
    lab = dataclasses.replace(
        lab, limits=everything, thresholds={**lab.thresholds, "mutants": 1.1}
    )  # spare none
    with launcher(resolve("auto"), lab) as launch:
        result, _, _ = judge_own_tests(lab, unpack(lab, reference(lab), tmp_path), [], launch)
    assert result.failures == {} and result.mutation is not None
    assert (result.mutation.refused, result.mutation.survivors) == (0, [])
    assert result.mutation.killed == result.mutation.planted == len(lab.mutants)
