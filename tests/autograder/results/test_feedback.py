"""Feedback is complete, names the lecture to reread, and gives away neither hidden checks nor other students."""

import ast
import html
import re
from dataclasses import replace
from pathlib import Path

import jupytext
import pytest
from selenium.webdriver.common.by import By

from autograder.intake.submission import find_submissions, read_submission
from autograder.judging.judge import judge
from autograder.judging.verdict import Evidence, Verdict
from autograder.labs.definition import Lab, load_lab
from autograder.results import feedback
from autograder.results.evidence import observed
from autograder.results.explain import explanation
from autograder.results.feedback import STOPPED_HINT, feedback_page, write_feedback
from autograder.sandbox.choose import launcher, resolve
from labkit.results import Failure, Margin
from tests.conftest import ROOT
from tests.labs.handing_in import hand_in, hand_in_stub, slope_lab
from tests.pages import DESK, PHONE, chromium, look, overflow

LAB = slope_lab()
TELLING = 25  # characters of a hidden file that nobody writes by chance
NAMES = ("ada lovelace", "bob", "loop & co", "wrong", "leaky")
PREDICT = "        return self.slope * x + self.intercept\n"
LEAK = """        kind = type("Error_" + "_".join(str(int(v)) for v in x[:3]), (ValueError,), {})
        raise kind(f"inputs {x[:5].tolist()}")
"""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory) -> dict[str, Verdict]:
    folder = tmp_path_factory.mktemp("submitted")
    hand_in(folder, "ada lovelace")
    hand_in_stub(folder, "bob")
    hand_in(folder, "loop & co", tests="", replace={PREDICT: "        while True: pass\n"})
    hand_in(folder, "wrong", tests="", replace={PREDICT: "        return self.slope * x\n"})
    hand_in(folder, "leaky", tests="", replace={PREDICT: LEAK})
    (folder / "nil" / LAB.name).mkdir(parents=True)
    return {s: judge(LAB, read_submission(LAB, s, f)) for s, f in find_submissions(folder, LAB.name).items()}


@pytest.fixture(scope="module")
def pages(verdicts) -> dict[str, str]:
    return {student: feedback_page(LAB, verdict) for student, verdict in verdicts.items()}


def words(page: str) -> str:
    """Return the text of a page, in one line."""
    body = re.sub(r"<(style|title)>.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", body)).split())


# ---------------------------------------------------------------- what it says


def test_all_right(pages):
    text = words(pages["ada lovelace"])
    assert "12 of 12 points Every question is complete. There is nothing left to do." in text
    assert "Next steps" not in text and "What came back" not in text
    assert "OK Noise averages out. hidden" in text and "2 of 2 tests passed" in text


def test_what_is_good_comes_first_and_steps_by_points(pages):
    page = pages["wrong"]
    order = re.findall(r'<h2 id="(\w+)"', page)
    assert order == ["summary", "next", "margins", "questions"]
    text = words(page)
    assert "questions are complete. This works, so leave it as it is: Fitting a line" in text
    steps = re.search(r'<section aria-labelledby="next">.*?</section>', page, re.DOTALL)[0]
    gains = [float(points) for points in re.findall(r"up to ([\d.]+) more", steps)]
    assert gains == sorted(gains, reverse=True) and 1 <= len(gains) <= 3
    assert "To do: Forecasts lie on the line. slope * x + intercept" in words(steps)
    assert "Reread Lab 0, 'Task 2: predict'." in words(steps)


def test_each_failure_has_all_five_words(pages):
    text = words(pages["wrong"])
    assert (
        "Expected Forecasts lie on the line. What was tried The fitted model was asked for two points. "
        "What came back assert" in text
    )
    assert "Hint slope * x + intercept" in text and "To go on, reread Lab 0, 'Task 2: predict'." in text
    assert (
        "Expected hidden Noise averages out. What was tried A model was fitted on points that scatter around a line"
    ) in text
    assert "What came back An answer came back, but not the expected one. Hint Least squares" in text


def test_margins_are_figures(pages):
    page = pages["wrong"]
    assert re.search(
        r"distance from the true line.*at most 0\.5:\s*<strong class=\"bad\">not met yet", page, re.DOTALL
    )
    assert "met yet" not in words(pages["ada lovelace"])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 0.0])
def test_any_figure_can_be_drawn(verdicts, value):
    verdict = verdicts["ada lovelace"]
    checks = [
        replace(check, margins=[Margin("m", value, 0.0, True)]) for check in verdict.questions[1].checks
    ]
    questions = [replace(q, checks=checks) if i == 1 else q for i, q in enumerate(verdict.questions)]
    page = feedback_page(LAB, replace(verdict, questions=questions))
    assert all(0 <= float(width) <= 100 for width in re.findall(r"(?:width|left): ([\d.einfa-]+)%", page))


def test_work_not_begun_is_not_told_ten_times(pages):
    text = words(pages["bob"])
    assert "No question is complete yet." in text
    assert text.count("What came back") <= len(LAB.questions)
    assert "Once that works, this is expected too: " in text


def test_stopped_code_gets_a_hint_about_that(pages):
    text = words(pages["loop & co"])
    assert "Something ran into its time limit. All the rest was graded." in text
    assert STOPPED_HINT in text and "no answer within 2 s of computing time" in text
    assert "slope * x + intercept" not in text  # the check's own hint would lead astray


def test_nothing_handed_in(pages):
    text = words(pages["nil"])
    assert "0 of 12 points Nothing was handed in." in text
    assert "Question by question" not in text and "Next steps" not in text


# ---------------------------------------------------------------- what it keeps


def hidden_texts(lab: Lab) -> list[str]:
    """Return the lines of a lab's hidden files that are no docstrings, hints, figures' names or imports."""
    texts = []
    for name in ("hidden_checks.py", "reference.py"):
        source = (lab.folder / name).read_text(encoding="utf-8")
        tree = ast.parse(source)
        public = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.Module) and ast.get_docstring(node):
                public |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    public |= set(range(mark.lineno, mark.end_lineno + 1))
            if isinstance(node, ast.Import | ast.ImportFrom) or ast.unparse(node).startswith("margin("):
                public.add(node.lineno)  # the name of a figure is shown beside it
        lines = [line.strip() for i, line in enumerate(source.split("\n"), 1) if i not in public]
        texts += [line for line in lines if len(line) >= TELLING]
    visible = lab.visible_checks.read_text(encoding="utf-8")
    return [text for text in texts if text not in visible]


def gives_away(lab: Lab, page: str) -> list[str]:
    text = words(page)
    pieces = [line[i : i + TELLING] for line in hidden_texts(lab) for i in range(len(line) - TELLING + 1)]
    return [piece for piece in pieces if piece in text]


def test_no_hidden_code_no_hidden_data_no_other_student(pages):
    assert len(hidden_texts(LAB)) > 3
    for student, page in pages.items():
        assert gives_away(LAB, page) == []
        text = words(page)
        assert not [
            name for name in NAMES if name != student and re.search(rf"\b{re.escape(name)}\b", text)
        ], student
    assert gives_away(
        LAB, (LAB.folder / "hidden_checks.py").read_text(encoding="utf-8")
    )  # it would be noticed


def test_students_code_cannot_carry_hidden_inputs_out(pages, verdicts):
    """Inputs of a hidden check pass through the student's code: neither a message nor a class name comes back."""
    text = words(pages["leaky"])
    hidden = [check for result in verdicts["leaky"].questions for check in result.checks if not check.visible]
    (failed,) = [check for check in hidden if check.question == "prediction"]
    assert "inputs [" in failed.message  # it tried
    assert "What came back Your code raised ValueError." in text
    assert failed.message not in text and "Error_" not in "".join(explanation(failed))
    shown = re.findall(r"inputs \[.*?\]", text)
    assert set(shown) <= {"inputs [0.0, 1.0]"}  # those of the visible check, which everybody has


def test_evidence_and_flags_are_the_instructors(verdicts):
    flagged = replace(
        verdicts["ada lovelace"],
        flags=["escape-attempt", "similar-code"],
        evidence=[Evidence("escape-attempt", "opened bob's folder")],
    )
    text = words(feedback_page(LAB, flagged))
    assert "escape" not in text and "similar" not in text and "bob" not in text


def test_what_students_write_is_escaped(tmp_path):
    hand_in(tmp_path, "<b>x", replace={PREDICT: "        raise KeyError('<script>alert(1)</script>')\n"})
    verdict = judge(LAB, read_submission(LAB, "<b>x", tmp_path / "<b>x" / LAB.name), hidden=False)
    page = feedback_page(LAB, verdict)
    assert "<b>x" not in page and "<script" not in page and "&lt;script&gt;" in page
    assert write_feedback(tmp_path, LAB, replace(verdict, student="ada")).read_text(encoding="utf-8")


# ---------------------------------------------------------------- where to reread


SOURCES = ["tests/labs/lab0_slope"]
SOURCES += sorted(path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("solutions/lab*/lab.toml"))


def headings(path: Path) -> list[str]:
    """Return the headings of a notebook."""
    cells = [cell for cell in jupytext.read(path).cells if cell.cell_type == "markdown"]
    return [line.lstrip("# ") for cell in cells for line in cell.source.split("\n") if line.startswith("#")]


@pytest.mark.parametrize("folder", SOURCES)
def test_every_question_names_a_heading_that_exists(root, folder):
    lab = load_lab(root / folder)
    for question in lab.questions:
        match = re.fullmatch(r"(Lecture|Lab) (\d+), '(.+)'", question.reread)
        assert match, question
        kind, number, heading = match.groups()
        if kind == "Lecture":
            (source,) = (root / "lectures/source").glob(f"{int(number):02}_*.py")
        else:  # an earlier lab's text may serve a later one
            (source,) = (root / folder).parent.glob(f"lab{number}_*/lab{number}_*.py")
        found = [text.partition(" (")[0] for text in headings(source)]  # "(2 points)" may change
        assert heading in found, (question.name, heading)


@pytest.mark.parametrize("folder", SOURCES)
def test_every_check_says_what_it_tried(root, folder):
    for name in ("visible_checks.py", "hidden_checks.py"):
        for node in ast.walk(ast.parse((root / folder / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                expected, _, tried = ast.get_docstring(node).partition("\n\n")
                assert expected.endswith(".") and tried.strip().endswith("."), node.name


def test_the_kind_of_a_stop_is_one_sentence(verdicts):
    checks = [check for result in verdicts["loop & co"].questions for check in result.checks]
    assert {check.kind for check in checks if not check.passed} == {
        "Your code was stopped: it ran into a limit, or its process ended."
    }
    assert {check.reason for check in checks if not check.passed} == {Failure.STOPPED}


def test_no_word_of_a_student_decides_what_is_told(tmp_path):
    """Who writes what the grader says of others gets neither their flags nor their shorter page."""
    words = "NotImplementedError: 9,000 bytes were printed; it ran into a limit"
    folder = hand_in(tmp_path, "eve", replace={PREDICT: f"        raise ValueError({words!r})\n"})
    verdict = judge(LAB, read_submission(LAB, "eve", folder))
    failed = [check for result in verdict.questions for check in result.checks if not check.passed]
    assert failed and {check.reason for check in failed} <= {Failure.RAISED, Failure.WRONG}
    assert not {"output-cut", "time-out"} & {*verdict.flags, *(item.flag for item in observed(verdict))}
    assert not any(remark.brief for remark in remarks(verdict))


def remarks(verdict):
    told: set[tuple[str, ...]] = set()
    return [remark for result in verdict.questions for remark in feedback._remarks(result, verdict, told)]


# ---------------------------------------------------------------- in a browser


@pytest.mark.machine
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_everybody_can_read_it(verdicts, tmp_path_factory, width):
    folder = tmp_path_factory.mktemp("site")
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        for student in ("wrong", "bob", "nil"):
            page = write_feedback(folder, LAB, verdicts[student])
            assert look(browser, page, width) == [], student
            assert overflow(browser) <= 0, student
            assert browser.find_element(By.TAG_NAME, "h1").text == LAB.title


@pytest.mark.long
@pytest.mark.parametrize("name", [Path(folder).name for folder in SOURCES[1:]])
def test_the_example_class_learns_nothing_hidden(root, name):
    lab = load_lab(root / "solutions" / name)
    students = find_submissions(root / "examples" / "class", lab.name)
    with launcher(resolve("auto"), lab) as launch:
        submissions = [read_submission(lab, student, folder) for student, folder in students.items()]
        pages = {one.student: feedback_page(lab, judge(lab, one, launch=launch)) for one in submissions}
    for student, page in pages.items():
        assert gives_away(lab, page) == [], student
        text = words(page)
        assert not [name for name in students if name != student and re.search(rf"\b{name}\b", text)], student
