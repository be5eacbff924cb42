"""What real submissions earn: right where they are right, and not a point more or less."""

import copy
import dataclasses
import os
import shutil

import nbformat
import pytest

from autograder.intake.submission import read_submission
from autograder.judging.judge import judge
from autograder.labs.definition import load_lab
from autograder.results.evidence import observed
from autograder.results.explain import explanation, graded_notebook, summary
from labkit.results import Margin
from labkit.runner import CheckFileError
from tests.labs.handing_in import FOLDER, hand_in, hand_in_stub, slope_lab

LAB = dataclasses.replace(slope_lab(), variants={}, mutants=())  # planted bugs have tests of their own
FULL = {"fitting": 4, "prediction": 4, "report": 2, "own_tests": 2}
PREDICT = "        return self.slope * x + self.intercept\n"
REFUSE = '            raise ValueError("a line needs at least two points")\n'


def verdict_on(folder, **options):
    return judge(LAB, read_submission(LAB, folder.parent.name, folder), **options)


def scores(verdict) -> dict[str, float]:
    return {result.question.name: result.score for result in verdict.questions}


def code(source: str):
    return nbformat.v4.new_code_cell(source)


def test_the_reference_has_full_marks_and_a_second_grading_agrees(tmp_path):
    folder = hand_in(tmp_path, "ada")
    first, second = verdict_on(folder), verdict_on(folder)
    assert scores(first) == FULL
    assert (first.status, first.flags, first.notes, first.score) == ("graded", [], [], first.max_score)
    assert [margin.name for margin in first.margins] == ["distance from the true line"]
    assert (scores(second), second.margins, second.own_tests) == (
        scores(first),
        first.margins,
        first.own_tests,
    )


def test_an_untouched_stub_has_nothing(tmp_path):
    verdict = verdict_on(hand_in_stub(tmp_path, "bob"))
    assert scores(verdict) == dict.fromkeys(FULL, 0)
    messages = [check.message for result in verdict.questions for check in result.checks]
    assert all("NotImplementedError" in message for message in messages)


def test_warnings_prints_and_a_progress_bar_cost_nothing(tmp_path):
    noise = (
        '        import sys, time, warnings\n        warnings.warn("careful")\n        print("fitting", end="")\n'
        '        sys.stderr.write("\\r100%|####|")\n'
    )

    def edit(notebook):
        notebook.cells.insert(4, code("print('hello')\nimport warnings\nwarnings.warn('x')"))

    verdict = verdict_on(
        hand_in(
            tmp_path, "cyd", replace={"        if len(x) < 2": noise + "        if len(x) < 2"}, edit=edit
        )
    )
    assert scores(verdict) == FULL and verdict.flags == []
    assert "fitting" in verdict.log and "100%" in verdict.log


def test_partial_work_earns_exactly_its_part(tmp_path):
    verdict = verdict_on(hand_in(tmp_path, "dan", replace={REFUSE: "            pass\n"}))
    assert scores(verdict) | {"own_tests": None} == {
        "fitting": 3,
        "prediction": 4,
        "report": 2,
        "own_tests": None,
    }
    stubbed = verdict_on(hand_in(tmp_path, "eve", replace={PREDICT: "        raise NotImplementedError\n"}))
    assert scores(stubbed) | {"own_tests": None} == {
        "fitting": 4,
        "prediction": 0,
        "report": 2,
        "own_tests": None,
    }


@pytest.mark.parametrize(("at_most", "edge", "beyond"), [(True, 0.515, 0.5151), (False, 0.4855, 0.4853)])
def test_full_credit_starts_three_percent_beyond_a_threshold(at_most, edge, beyond):
    assert Margin("figure", edge, 0.5, at_most).passed
    assert not Margin("figure", beyond, 0.5, at_most).passed


def test_a_figure_beyond_its_threshold_costs_its_check(tmp_path):
    verdict = verdict_on(hand_in(tmp_path, "pat", replace={PREDICT: PREDICT.rstrip() + " + (len(x) > 2)\n"}))
    (margin,) = verdict.margins
    assert not margin.passed and margin.value > 0.515
    assert scores(verdict)["prediction"] == 2


def test_a_loop_costs_its_question_only(tmp_path):
    verdict = verdict_on(hand_in(tmp_path, "fay", replace={PREDICT: "        while True: pass\n"}))
    assert scores(verdict) == FULL | {"prediction": 0, "own_tests": 0}
    assert verdict.status == "timed-out"
    assert any("no answer within 2 s of computing time" in note for note in verdict.notes)


def test_leaving_the_process_costs_its_question_only(tmp_path):
    verdict = verdict_on(hand_in(tmp_path, "gus", replace={PREDICT: "        import os; os._exit(0)\n"}))
    assert scores(verdict) == FULL | {"prediction": 0, "own_tests": 0}
    assert verdict.status == "crashed"


def test_a_cell_that_leaves_the_process_costs_nothing_else(tmp_path):
    def edit(notebook):
        notebook.cells.insert(3, code("import os\nos._exit(1)"))
        notebook.cells.insert(3, code("import sys\nsys.exit()"))

    verdict = verdict_on(hand_in(tmp_path, "gil", edit=edit))
    assert scores(verdict) == FULL
    assert verdict.status == "crashed" and "cell-errors" in verdict.flags


def test_nothing_handed_in_is_missing(tmp_path):
    (tmp_path / "hal" / LAB.name).mkdir(parents=True)
    verdict = verdict_on(tmp_path / "hal" / LAB.name)
    assert (verdict.status, verdict.score, verdict.max_score) == ("missing", 0, 12)


def test_a_corrupt_notebook_leaves_the_module_its_points(tmp_path):
    folder = hand_in(tmp_path, "ida")
    (folder / LAB.files.notebook).write_text('{"cells": [')
    verdict = verdict_on(folder)
    assert scores(verdict) == FULL | {"report": 0}
    assert verdict.status == "corrupt-notebook" and "cannot be read" in verdict.notes[0]


def test_without_a_module_the_notebook_keeps_its_points(tmp_path):
    folder = hand_in(tmp_path, "joe", edit=lambda notebook: notebook.cells.pop(1))
    (folder / "slope.py").unlink()
    verdict = verdict_on(folder)
    assert scores(verdict) == dict.fromkeys(FULL, 0) | {"report": 2}
    assert "no-module" in verdict.flags


def test_slips_in_the_notebook_cost_nothing(tmp_path):
    def edit(notebook):
        cells = {cell.id: cell for cell in notebook.cells}
        twin = copy.deepcopy(cells["report_code"])
        twin.id = "twin"
        helper = code("import math\ndef sentence(v): return f'slope {v:.2f}'")
        cells["report_code"].source = "def report(value):\n    return sentence(value)"
        twin.source = cells["report_code"].source
        cells["report_code"].metadata = {}
        # deleted: setup, checks and explanations; reordered: the answer before all else, its helper in an added cell
        notebook.cells = [twin, helper, cells["report_code"], code("check('fitting')"), cells["fitting"]]

    verdict = verdict_on(hand_in(tmp_path, "kim", edit=edit))
    assert scores(verdict) == FULL
    assert {"duplicated-cell", "missing-cell"} <= set(verdict.flags) and verdict.status == "graded"


def test_own_tests_are_worth_their_coverage(tmp_path):
    little = "from slope import centre\nimport numpy as np\ndef test_centre(): centre(np.ones(2))\n"
    verdict = verdict_on(hand_in(tmp_path, "lea", tests=little))
    share = verdict.own_tests.coverage * 1.03 / 0.8
    assert 0.3 < verdict.own_tests.coverage < 0.7
    assert scores(verdict) == FULL | {"own_tests": round(2 * share, 2)}
    assert verdict.flags == []


def test_own_tests_that_fail_take_their_share(tmp_path):
    reference = (FOLDER / "test_slope.py").read_text(encoding="utf-8")
    verdict = verdict_on(hand_in(tmp_path, "mia", tests=reference + "\n\ndef test_wrong(): assert 1 == 2\n"))
    assert scores(verdict) == FULL | {"own_tests": round(2 * 2 / 3, 2)}
    assert "own-tests-fail" in verdict.flags and "AssertionError" in verdict.own_tests.failures["test_wrong"]


@pytest.mark.parametrize(
    "tests",
    ["", "def test_(:", "import nothing", "raise SystemExit", "import os; os._exit(0)", "while True: pass"],
    ids=["empty", "syntax", "import", "exit", "kill", "loop"],
)
def test_own_tests_that_test_nothing_earn_nothing(tmp_path, tests):
    assert scores(verdict_on(hand_in(tmp_path, "ned", tests=tests))) == FULL | {"own_tests": 0}


def test_pragmas_and_forged_arcs_do_not_raise_the_coverage(tmp_path):
    verdict = verdict_on(
        hand_in(
            tmp_path,
            "oda",
            replace={
                'y: np.ndarray) -> "SlopePredictor":': 'y: np.ndarray) -> "SlopePredictor":  # pragma: no cover'
            },
            tests="import slope\ndef test(): slope.centre(slope.np.ones(2))\n",
        )
    )
    assert verdict.own_tests.coverage < 0.7


def test_a_flood_of_output_is_cut_and_costs_nothing(tmp_path):
    verdict = verdict_on(
        hand_in(tmp_path, "pia", replace={PREDICT: '        print("x" * 1_000_000)\n' + PREDICT})
    )
    assert scores(verdict) == FULL
    assert "output-cut" in verdict.flags and len(verdict.log) <= LAB.limits.output_bytes
    assert [item.flag for item in verdict.evidence] == ["output-cut"]
    assert verdict.evidence[0].fact in verdict.notes


def test_words_of_a_student_are_no_flag(tmp_path):
    def boast(notebook) -> None:
        notebook.cells.insert(4, code("raise ValueError('9,000 bytes were printed')"))

    verdict = verdict_on(hand_in(tmp_path, "sly", edit=boast))
    assert any("9,000 bytes were printed" in note for note in verdict.notes)
    assert "output-cut" not in [*verdict.flags, *(item.flag for item in observed(verdict))]


def test_tricks_with_objects_earn_nothing(tmp_path):
    always = (
        "\n\nclass Always(float):\n    def __eq__(self, other): return True\n    __array_priority__ = 1e9\n"
    )
    verdict = verdict_on(
        hand_in(tmp_path, "quy", replace={PREDICT: "        return Always()\n"}, append=always)
    )
    assert scores(verdict)["prediction"] == 0


def test_hidden_checks_tell_nothing_of_what_came_back(tmp_path):
    leak = '        raise ValueError("saw " + str(list(x[:3])))\n'
    submission = read_submission(LAB, "rex", hand_in(tmp_path, "rex", replace={PREDICT: leak}))
    verdict = judge(LAB, submission)
    (prediction,) = (result for result in verdict.questions if result.question.name == "prediction")
    visible, hidden = prediction.checks
    assert any("saw" in line for line in explanation(visible))
    told = explanation(hidden)
    assert "saw" in hidden.message and not any("saw" in line for line in told)
    assert told[-1] == "Hint: Least squares, not the line through two points."
    text = summary(prediction, verdict)
    assert "FAIL Noise averages out." in text and text.count("saw [") == 1


def test_without_hidden_checks_only_the_visible_ones_run(tmp_path):
    verdict = verdict_on(hand_in(tmp_path, "sue", replace={REFUSE: "            pass\n"}), hidden=False)
    assert scores(verdict)["fitting"] == 4
    assert all(check.visible for result in verdict.questions for check in result.checks)


def test_the_graded_notebook_has_the_labs_cells_and_the_students_code(tmp_path):
    submission = read_submission(
        LAB,
        "tom",
        hand_in(tmp_path, "tom", edit=lambda notebook: notebook.cells.insert(5, code("helper = 1"))),
    )
    release = copy.deepcopy(LAB.notebook)
    notebook = graded_notebook(release, submission.arrangement, judge(LAB, submission))
    nbformat.validate(notebook)
    sources = {cell.id: cell.source for cell in notebook.cells}
    assert "helper = 1" in sources.values()
    outputs = {cell.id: cell.outputs[0].text for cell in notebook.cells if cell.get("outputs")}
    assert outputs["fitting"].startswith("4 of 4 points\nOK   Centred values have mean 0.")
    assert "2 of 2 tests passed" in outputs["own_tests"]


def test_a_lab_whose_checks_cannot_run_is_the_graders_failure(tmp_path):
    shutil.copytree(FOLDER, tmp_path / LAB.name)
    with (tmp_path / LAB.name / "hidden_checks.py").open("a") as file:
        file.write("\nimport nothing_of_this_name\n")
    lab = load_lab(tmp_path / LAB.name)
    submission = read_submission(lab, "ada", hand_in(tmp_path / "in", "ada"))
    with pytest.raises(CheckFileError, match="nothing_of_this_name"):
        judge(lab, submission)


def test_the_judges_own_environment_stays_as_it_was(tmp_path):
    before = dict(os.environ), os.getcwd()  # noqa: PTH109
    verdict_on(hand_in_stub(tmp_path, "uma"))
    after = dict(os.environ), os.getcwd()  # noqa: PTH109
    assert {k: v for k, v in after[0].items() if not k.startswith("PYTEST_")} == {
        k: v for k, v in before[0].items() if not k.startswith("PYTEST_")
    }
    assert after[1] == before[1]


def test_objects_that_several_checks_share_are_made_again(tmp_path):
    """A crash in one question takes the fitted model of the others with it; they are not to blame."""
    crash = "        if len(x) < 2:\n            import os; os._exit(1)\n        if len(x) < 2:\n"
    folder = hand_in(tmp_path, "vic", replace={"        if len(x) < 2:\n": crash})
    lab = load_lab(shutil.copytree(FOLDER, tmp_path / LAB.name))
    text = lab.visible_checks.read_text(encoding="utf-8")
    early = '''
@pytest.mark.question("fitting", hint="-")
def test_crash(student, fitted):
    """Crashes in this submission."""
    student.SlopePredictor().fit(np.zeros(1), np.zeros(1))
    student.memo["kept"] = 1


@pytest.mark.question("prediction", hint="-")
def test_memo(student, fitted):
    """What was kept is gone, and what is shared is there."""
    assert student.memo == {} and fitted.slope == pytest.approx(3)


'''
    mark = '@pytest.mark.question("prediction"'
    lab.visible_checks.write_text(text.replace(mark, early.lstrip() + mark, 1), encoding="utf-8")
    verdict = judge(lab, read_submission(lab, "vic", folder))
    failed = [check.title for result in verdict.questions for check in result.checks if not check.passed]
    assert failed == ["Crashes in this submission.", "Fewer than two points are refused."]
    assert scores(verdict)["prediction"] == 4 and verdict.status == "crashed"
