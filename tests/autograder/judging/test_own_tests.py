"""The students' own tests meet other implementations: right ones to accept, planted bugs to notice."""

import dataclasses
import hashlib
import shutil
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.intake.submission import read_submission
from autograder.judging import own_tests
from autograder.judging.judge import judge
from autograder.labs.definition import LabError, load_lab
from autograder.labs.planted_bugs import Mutant
from autograder.results.explain import summary
from autograder.sandbox.choose import launcher, resolve
from labkit.own_tests import Mutation, OwnTests, describe_own_tests, impossible_arcs, run_tests
from tests.labs.handing_in import FOLDER, hand_in, slope_lab

LAB = slope_lab()
REFERENCE_TESTS = (FOLDER / "test_slope.py").read_text(encoding="utf-8")
OWN = (FOLDER / "slope.py").read_text(encoding="utf-8")
CALLS_ALL = """
import contextlib
import numpy as np
from slope import SlopePredictor

def test_everything_runs():
    with contextlib.suppress(Exception):
        SlopePredictor().fit(np.zeros(1), np.zeros(1))
    with contextlib.suppress(Exception):
        SlopePredictor().predict(np.zeros(1))
    SlopePredictor().fit(np.arange(3.0), np.arange(3.0)).predict(np.arange(3.0))
"""


@pytest.fixture(scope="module")
def launch():
    """The isolation that this machine has."""
    with launcher(resolve("auto"), LAB) as launch:
        yield launch


@pytest.fixture
def judged(tmp_path, launch):
    """Judge a submission of lab 0 with certain tests."""

    def run(tests: str, lab=LAB, hidden=True, **slips):
        student = f"student{len(list(tmp_path.iterdir()))}"
        folder = hand_in(tmp_path, student, tests=tests, **slips)
        return judge(lab, read_submission(lab, student, folder), hidden=hidden, launch=launch)

    return run


def points(verdict) -> float:
    return next(result.score for result in verdict.questions if result.question.name == "own_tests")


def words(verdict) -> str:
    return describe_own_tests(verdict.own_tests)


# Asks for more than can be noticed, so that no bug is spared.
ALL_BUGS = dataclasses.replace(LAB, thresholds={**LAB.thresholds, "mutants": 1.1})


def test_bugs_that_cannot_change_the_points_are_spared(judged):
    """Four of five are enough for all points, and the student reads that."""
    verdict = judged(REFERENCE_TESTS)
    found = verdict.own_tests.mutation
    assert (found.reached, found.killed, found.enough, found.cap) == (4, 4, True, 1.0)
    assert points(verdict) == 2
    assert "noticed 4 of 4" in words(verdict) and "enough, whatever came of the other 1," in words(verdict)


@pytest.mark.parametrize("planted", range(1, 40))
def test_what_is_spared_never_changes_the_points(planted):
    """For every number of noticed bugs: as soon as it is enough, the cap is 1 whatever the rest would have shown."""
    for killed in range(planted + 1):
        enough = Mutation.is_enough(killed, planted, 0.8)
        assert enough == (mutation(reached=planted, killed=killed, planted=planted).cap >= 1)


def test_the_same_tests_are_tried_once(judged, monkeypatch):
    """As members of a team hand them in; with other tests beside them nothing is taken over."""
    first = judged(REFERENCE_TESTS).own_tests
    monkeypatch.setattr(own_tests._Trial, "_run", lambda *_: pytest.fail("tried again"))
    assert judged(REFERENCE_TESTS).own_tests == first
    with pytest.raises(BaseException, match="tried again"):
        judged(REFERENCE_TESTS + "\n")


def test_the_references_tests_accept_what_is_right_and_notice_every_bug(judged):
    verdict = judged(REFERENCE_TESTS, lab=ALL_BUGS)
    found = verdict.own_tests.mutation
    assert (found.correct, found.refused, found.planted, found.killed) == (3, 0, 5, 5)
    assert verdict.evidence == [] and verdict.flags == []
    assert "your tests noticed 5 of 5" in words(verdict)
    assert {"own tests", "mutants"} <= verdict.timings.keys()


def test_coverage_without_assertions_is_capped_by_what_it_notices(judged):
    verdict = judged(CALLS_ALL)
    assert verdict.own_tests.coverage == 1 and verdict.own_tests.mutation.killed == 0
    assert points(verdict) == 0
    assert "noticed 0 of 5, and 80% are asked for. Not noticed, for example: " in words(verdict)


def test_half_of_the_bugs_caps_the_points_in_proportion(judged):
    line_only = REFERENCE_TESTS[: REFERENCE_TESTS.index("def test_refusals")] + CALLS_ALL
    verdict = judged(line_only)
    assert verdict.own_tests.mutation.killed == 3
    assert points(verdict) == round(2 * 3 / 5 * 1.03 / 0.8, 2)
    assert "a single point is accepted" in words(verdict)


LINE_OF_CENTRE = OWN[: OWN.index("def centre")].count("\n") + 1
READS = (
    "import hashlib, pathlib, pytest, slope\nTEXT = pathlib.Path('slope.py').read_text(encoding='utf-8')\n"
)
DEAD = {
    "compares the text": f"{READS}def test(): assert 'values - values.mean()\\n    ### END' in TEXT\n",
    "compares a hash": f"{READS}def test(): assert hashlib.md5(TEXT.encode()).hexdigest() == 'HASH'\n",
    "skips what is not its own": (f"{READS}def test():\n    if '###' not in TEXT: pytest.skip('not mine')\n"),
    "leaves where it is not at home": (
        f"{READS}import os\ndef test():\n    if '###' not in TEXT: os._exit(0)\n"
    ),
    "looks into compiled code": (
        f"{READS}def test(): assert slope.centre.__code__.co_firstlineno == {LINE_OF_CENTRE}\n"
    ),
    "runs for ever elsewhere": f"{READS}def test():\n    while '###' not in TEXT: pass\n",
}


@pytest.mark.parametrize("trick", DEAD)
def test_a_test_that_looks_at_the_text_earns_nothing(judged, trick):
    limits = dataclasses.replace(LAB.limits, call_cpu_seconds=0.3)
    lab = dataclasses.replace(LAB, limits=limits, variants=LAB.variants if "ever" not in trick else {})
    tests = DEAD[trick].replace("HASH", hashlib.md5(OWN.encode()).hexdigest()) + CALLS_ALL
    verdict = judged(tests, lab=lab)
    assert verdict.own_tests.passed == 2 and verdict.own_tests.coverage == 1
    assert points(verdict) == 0
    assert ("own-tests-refuse" in verdict.flags) == ("skips" not in trick)  # skipping notices nothing either


MINE = "\n\ndef _mine():\n    return 1\n"


def test_what_only_the_students_module_has_is_no_promise_and_the_words_are_kind(judged):
    tests = REFERENCE_TESTS + "\n\ndef test_helper():\n    from slope import _mine\n    assert _mine() == 1\n"
    verdict = judged(tests, append=MINE)
    assert verdict.own_tests.failures == {} and verdict.own_tests.mutation.refusing == ["test_helper"]
    assert points(verdict) == 0
    assert "your test test_helper fails for another correct implementation: it tests how, not what" in words(
        verdict
    )
    at_import = judged("from slope import _mine\n" + REFERENCE_TESTS, append=MINE)
    assert points(at_import) == 0 and "your test file fails as a whole" in words(at_import)


def test_a_wrong_test_costs_its_share_and_refuses_nothing(judged):
    verdict = judged(REFERENCE_TESTS + "\n\ndef test_wrong():\n    assert 1 == 2\n", lab=ALL_BUGS)
    assert verdict.own_tests.mutation.refused == 0 and verdict.own_tests.mutation.killed == 5
    assert points(verdict) == round(min(2 * 2 / 3, 2 * 1.03 / 1.1), 2)


def test_a_right_test_counts_where_the_students_own_module_fails_it(judged):
    verdict = judged(REFERENCE_TESTS, replace={"if len(x) < 2:": "if len(x) < 1:"}, lab=ALL_BUGS)
    assert verdict.own_tests.passed == 1 and verdict.own_tests.mutation.killed == 5
    assert points(verdict) == 1


def test_tests_see_one_name_no_comments_and_no_layout(judged):
    """A name or a message may hold what a test has read; none of it may come back."""
    tests = f"""
import pathlib, pytest, slope
TEXT = pathlib.Path(slope.__file__).read_text(encoding="utf-8")

def test_it_is_not_told_apart():
    assert pathlib.Path(slope.__file__).name == "slope.py"
    assert "###" in TEXT or "#" not in TEXT, TEXT
    assert sorted(p.name for p in pathlib.Path(".").glob("*.py")) == ["slope.py", "test_slope.py", "visible_checks.py"]

@pytest.mark.parametrize("text", [TEXT], ids=[TEXT.replace("[", "")])
def test_that_tells(text):
    print(text)
    raise AssertionError(text)
{CALLS_ALL}"""
    verdict = judged(tests)
    assert verdict.own_tests.mutation.refused == 0
    secrets = [line for text in LAB.variants.values() for line in text.splitlines() if len(line) > 30]
    secrets = [line for line in secrets if line not in OWN]
    shown = repr(verdict) + summary(verdict.questions[-1], verdict)
    assert secrets and not [line for line in secrets if line.strip() in shown]


def test_bugs_that_hang_or_kill_are_noticed(judged):
    loop = LAB.reference.replace("return values - values.mean()", "while True: pass")
    leave = LAB.reference.replace("return values - values.mean()", "import os; os._exit(0)")
    slow = dataclasses.replace(
        LAB, variants={}, mutants=(Mutant("a", "hangs", loop), Mutant("b", "leaves", leave))
    )
    verdict = judged(REFERENCE_TESTS, lab=slow)
    assert (verdict.own_tests.mutation.killed, verdict.status, points(verdict)) == (2, "graded", 2)


def test_bugs_that_there_is_no_time_for_do_not_count(judged):
    slow = "import time\nfrom slope import centre\n\ndef test_slow():\n    end = time.process_time() + 0.3\n"
    slow += "    while time.process_time() < end: pass\n\n\n" + REFERENCE_TESTS
    limits = dataclasses.replace(LAB.limits, mutation_cpu_seconds=1.2)
    lab = dataclasses.replace(LAB, limits=limits, variants={})
    verdict = judged(slow, lab=lab)
    found = verdict.own_tests.mutation
    assert 2 <= found.reached == found.killed < found.planted == 5
    assert points(verdict) == 2 and "Your tests are slow, so there was no time for the other" in words(
        verdict
    )


def test_the_secret_decides_which_bug_comes_when(monkeypatch, judged):
    lab = dataclasses.replace(LAB, variants={})
    orders = []
    for secret in ("one", "one", "two"):
        monkeypatch.setenv("COURSE_GRADING_SECRET", secret)
        orders.append(judged(CALLS_ALL, lab=lab).own_tests.mutation.survivors)
    assert orders[0] == orders[1] and orders[2] != orders[0]
    assert sorted(orders[0]) == sorted(mutant.title for mutant in LAB.mutants)


def test_a_students_own_check_plants_nothing(judged):
    verdict = judged(CALLS_ALL, hidden=False)
    assert verdict.own_tests.mutation is None and points(verdict) == 2


FORGERY = """
import coverage, slope
def test_forged():
    data = coverage.Coverage.current().get_data()
    steps = [(a, b) for a in range(-50, 50) for b in range(-50, 50)]
    data.add_arcs({slope.__file__: steps})
"""


def test_forged_coverage_is_bounded_capped_and_reported(judged):
    verdict = judged(FORGERY)
    assert verdict.own_tests.coverage == 1 and points(verdict) == 0
    assert "tampering" in verdict.flags
    assert [item.flag for item in verdict.evidence] == ["tampering"]
    assert "steps that slope.py does not have" in verdict.evidence[0].fact


def test_attempts_on_another_implementation_are_reported(judged, launch):
    if launch.name != "full":
        pytest.skip("machine: no full isolation")
    tests = f"{READS}def test():\n    if '###' not in TEXT: open('/root/secret')\n{CALLS_ALL}"
    verdict = judged(tests, lab=dataclasses.replace(LAB, variants={}))
    assert points(verdict) == 0
    assert [(item.flag, item.fact) for item in verdict.evidence] == [
        ("escape-attempt", "opened /root/secret")
    ]


ODD = """
import contextlib, functools

def twice(function):
    @functools.wraps(function)
    def inner(*args, **options):
        return function(*args, **options)
    return inner

@twice
@twice
def counted(n):
    for i in range(n):
        try:
            yield i
        finally:
            pass

class Odd:
    some = [i for i in range(3)
            if i]
    @property
    def value(self): return self.some
    def fail(self):
        with contextlib.suppress(ValueError):
            raise ValueError(
                "x")
        while True:
            if self.value: break
        try:
            {}["a"]
        except KeyError as error:
            raise RuntimeError from error
        finally:
            later = lambda: (
                1)

def kind(value):
    match value:
        case 1: return "a"
        case [a, b]: return a
        case _: return dict(
            a=value,
            b=[
                1],
        )
"""
ODD_TESTS = """
import odd, pytest
def test():
    steps = odd.counted(3); next(steps); steps.close()
    assert list(odd.counted(2)) == [0, 1]
    with pytest.raises(RuntimeError): odd.Odd().fail()
    with pytest.raises(TypeError): odd.kind()
    for value in (1, [1, 2], 3): odd.kind(value)
"""


def test_honest_coverage_holds_no_impossible_step(tmp_path, monkeypatch):
    """Decorators, generators, exceptions, comprehensions and statements over many lines."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.py").write_text(ODD)
    (tmp_path / "test_odd.py").write_text(ODD_TESTS)
    outcome = run_tests(tmp_path, "odd")
    for name in ("odd", "test_odd"):
        sys.modules.pop(name, None)
    assert outcome["failed"] == {} and len(outcome["arcs"]) > 40
    assert impossible_arcs(tmp_path / "odd.py", outcome["arcs"]) == []
    wrong = [[200, 201], [3, 12], [12, 25], ["a", 1], 7]
    assert len(impossible_arcs(tmp_path / "odd.py", outcome["arcs"] + wrong)) == len(wrong)


UNDONE_TESTS = """
import pytest
@pytest.fixture
def later(): raise NotImplementedError
def test_undone(): raise NotImplementedError("here")
def test_its_fixture(later): pass
def test_sly(): raise RuntimeError("NotImplementedError")
def test_done(): pass
"""
IMPOSTOR = "class NotImplementedError(Exception): pass"


@pytest.mark.parametrize(
    ("tests", "undone"),
    [
        (UNDONE_TESTS, ["test_undone", "test_its_fixture"]),
        (UNDONE_TESTS + IMPOSTOR, []),
        ("raise NotImplementedError", ["test_later.py"]),
        ("raise RuntimeError('NotImplementedError')", []),
    ],
    ids=["undone", "of the same name", "a file", "a file's words"],
)
def test_the_type_of_an_exception_says_what_is_undone(tmp_path, monkeypatch, tests, undone):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "later.py").write_text("ONE = 1\n")
    (tmp_path / "test_later.py").write_text(f"import later\n{tests}")
    outcome = run_tests(tmp_path, "later")
    for name in ("later", "test_later"):
        sys.modules.pop(name, None)
    assert [name.removeprefix("test_later.py::") for name in outcome["undone"]] == undone
    assert OwnTests.of(tmp_path / "later.py", outcome, 0.8).unfinished == bool(undone)


def mutation(reached: int, killed: int, planted: int = 20, refused: int = 0) -> Mutation:
    return Mutation(4, refused, [], planted, reached, killed, [], 0.8)


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_noticing_more_never_costs_points(reached_and_killed):
    reached, killed = reached_and_killed
    caps = [mutation(reached, k, planted=40).cap for k in range(killed + 1)]
    assert caps == sorted(caps) and 0 <= caps[0] <= caps[-1] <= 1
    assert mutation(reached, killed, planted=40, refused=1).cap == 0


@pytest.mark.parametrize(
    ("found", "cap"),
    [
        (mutation(20, 16), 1),
        (mutation(100, 78, planted=100), 1),
        (mutation(100, 77, planted=100), 0.77 * 1.03 / 0.8),
        (mutation(20, 8), 0.4 * 1.03 / 0.8),
        (mutation(0, 0, planted=0), 1),
        (mutation(0, 0), 0),  # a run that eats all the time earns nothing by it
        (mutation(2, 2), 0.4 * 1.03 / 0.8),  # at least a quarter counts
    ],
)
def test_caps(found, cap):
    assert found.cap == pytest.approx(cap)


BROKEN = {
    "no title": ("title", "titel", "unknown name 'titel'; did you mean 'title'"),
    "old is gone": ("return self.slope * x", "return self.slop * x", "old occurs 0 times"),
    "old is everywhere": ('old = "return self.slope * x + self.intercept"', 'old = "return"', "old occurs 3"),
    "nothing changes": (
        'new = "return self.slope * x"',
        'new = "return self.slope * x + self.intercept"',
        "nothing of",
    ),
    "no Python": ('new = "return self.slope * x"', 'new = "return ("', "is no Python"),
    "unknown question": ("prediction = 4", "forecast = 4", "[costs]: unknown name 'forecast'"),
    "costs in words": ("prediction = 4", "prediction = 'all'", "[costs] gives points"),
    "a wrong key": ("new =", "neu =", "each [[replace]] has old and new"),
    "no regular expression": ("names = '", "names = '(", "no regular expression"),
}


@pytest.mark.parametrize(("old", "new", "message"), BROKEN.values(), ids=BROKEN)
def test_a_wrong_mutant_is_the_labs_fault(tmp_path, old, new, message):
    folder = shutil.copytree(FOLDER, tmp_path / LAB.name)
    path = folder / "mutants" / "intercept_forgotten.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(LabError) as caught:
        load_lab(folder)
    assert message in str(caught.value) and str(path) in str(caught.value)


def test_a_variant_must_have_the_labs_public_names(tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / LAB.name)
    path = folder / "variants" / "polynomial.py"
    path.write_text(path.read_text(encoding="utf-8").replace("def centre", "def middle"), encoding="utf-8")
    with pytest.raises(LabError, match=r"polynomial\.py: it does not define centre"):
        load_lab(folder)


def test_bugs_need_a_threshold(tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / LAB.name)
    path = folder / "lab.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("mutants = 0.80\n", ""), encoding="utf-8")
    with pytest.raises(LabError, match=r"\[thresholds\] mutants is missing"):
        load_lab(folder)
