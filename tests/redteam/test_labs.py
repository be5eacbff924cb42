"""Attacks that fit one lab only: each question that they aim at earns what is right."""

import os

import pytest

from tests.fairness.submissions import launches
from tests.redteam import lab2, lab3  # noqa: F401 - they register their cases
from tests.redteam.labs import LAB_CASES, is_right, judge_case

pytestmark = pytest.mark.skipif(os.name != "posix", reason="machine: the cases speak POSIX")


@pytest.fixture(scope="module")
def launch():
    """Launchers by lab."""
    with launches() as found:
        yield found


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=[] if case.quick else [pytest.mark.long])
        for case in LAB_CASES.values()
    ],
)
def test_each_question_earns_what_is_right(launch, case, tmp_path):
    shares, told = judge_case(case, tmp_path, launch)
    assert is_right(case, shares), (case.tries, shares, told)


def test_there_are_enough():
    assert len([case for case in LAB_CASES.values() if case.lab == "lab2_lstm"]) >= 6
    assert len([case for case in LAB_CASES.values() if case.lab == "lab3_rarity"]) >= 10
    assert all(case.tries.endswith(".") for case in LAB_CASES.values())
