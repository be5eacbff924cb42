"""Labs load whole, or say what is wrong and where."""

import json
import shutil
from pathlib import Path

import pytest

from autograder.release.derive import derive, load_labs
from autograder.labs.definition import LabError, load_lab, role


@pytest.fixture
def source(root, tmp_path) -> Path:
    """A copy of the tiny lab's source, in a repository of its own."""
    folder = tmp_path / "solutions" / "lab0_slope"
    shutil.copytree(root / "tests/labs/lab0_slope", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def released(source, tmp_path) -> Path:
    """The tiny lab as students get it."""
    for name, content in derive(tmp_path, load_labs(tmp_path)).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path / "labs" / "lab0_slope"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_source(source):
    lab = load_lab(source)
    assert (lab.name, lab.title) == ("lab0_slope", "Lab 0: a straight line")
    assert (lab.module, lab.class_name) == ("slope", "SlopePredictor")
    assert [(q.name, q.points) for q in lab.questions] == [
        ("fitting", 4),
        ("prediction", 4),
        ("report", 2),
        ("own_tests", 2),
    ]
    assert lab.max_score == 12
    assert (lab.questions[0].title, lab.questions[0].section) == ("Fitting a line", "Task 1")
    assert (lab.limits.memory_gb, lab.limits.output_bytes) == (1, 20_000)
    assert lab.thresholds == {"rmse": 0.5, "coverage": 0.8, "mutants": 0.8}
    assert len(lab.variants) == 2 and len(lab.mutants) == 5
    assert not lab.released
    assert lab.hidden_checks == source / "hidden_checks.py"
    assert lab.files == ("lab0_slope.ipynb", "slope.py", "test_slope.py")
    assert lab.files.python == (lab.files.module, lab.files.tests) == lab.files[1:]
    roles = {cell.id: role(cell) for cell in lab.notebook.cells if role(cell) != "text"}
    assert roles == {
        "setup": "setup",
        "look": "explore",
        "fitting": "grade",
        "prediction": "grade",
        "report_code": "solution",
        "report": "grade",
        "own_tests": "grade",
    }


def test_words_of_feedback_are_optional(source):
    words = """{ title = "Your own tests", section = "Task 4", reread = "Lab 0, 'Task 4: your own tests'" }"""
    edit(source / "lab.toml", f"own_tests = {words}", "")
    own_tests = load_lab(source).questions[-1]
    assert (own_tests.title, own_tests.section) == ("own tests", "")


def test_released_lab_has_the_same_definition(source, released):
    lab, original = load_lab(released), load_lab(source)
    assert lab.released
    assert lab.hidden_checks is None
    assert (lab.reference, lab.variants, lab.mutants) == ("", {}, ())
    assert (lab.name, lab.questions, lab.limits, lab.thresholds) == (
        original.name,
        original.questions,
        original.limits,
        original.thresholds,
    )
    assert [role(cell) for cell in lab.notebook.cells] == [role(cell) for cell in original.notebook.cells]


@pytest.mark.parametrize("damage", ["duplicated cell", "no cells", "garbage", "deleted", "module"])
def test_what_a_student_does_to_the_files_changes_no_definition(source, released, damage):
    notebook = released / "lab0_slope.ipynb"
    content = json.loads(notebook.read_text(encoding="utf-8"))
    if damage == "duplicated cell":
        notebook.write_text(json.dumps(content | {"cells": content["cells"] * 2}))
    elif damage == "no cells":
        notebook.write_text(json.dumps(content | {"cells": []}))
    elif damage == "garbage":
        notebook.write_bytes(b"\xff{")
    elif damage == "deleted":
        notebook.unlink()
    else:
        (released / "slope.py").unlink()
    assert load_lab(released).questions == load_lab(source).questions


NOTEBOOK, CHECKS = "lab0_slope.py", "visible_checks.py"
BROKEN = {
    "unknown key": ("lab.toml", "module =", "modul =", "unknown name 'modul'; did you mean 'module'"),
    "missing key": ("lab.toml", 'module = "slope"\n', "", "module is missing"),
    "unknown limit": ("lab.toml", "memory_gb", "memory_mb", "[limits]: unknown name 'memory_mb'"),
    "wrong type": ("lab.toml", "output_bytes = 20_000", "output_bytes = 1.5", "output_bytes = 1.5 must be"),
    "zero limit": ("lab.toml", "memory_gb = 1", "memory_gb = 0", "must be above 0"),
    "a word for a threshold": ("lab.toml", "rmse = 0.5", 'rmse = "low"', "rmse = 'low' must be of type"),
    "true for a threshold": ("lab.toml", "rmse = 0.5", "rmse = true", "rmse = True must be of type"),
    "no toml": ("lab.toml", "title =", "title", "lab.toml: "),
    "module is no name": ("lab.toml", 'module = "slope"', 'module = "../slope"', "is no Python name"),
    "feedback on nothing": (
        "lab.toml",
        "report = {",
        "reports = {",
        "[feedback]: unknown name 'reports'; did",
    ),
    "feedback of a wrong form": (
        "lab.toml",
        "section =",
        "part =",
        "[feedback] fitting: unknown name 'part'",
    ),
    "duplicate grade_id": (NOTEBOOK, '"grade_id": "look"', '"grade_id": "setup"', "must be unique"),
    "grade_id with a blank": (NOTEBOOK, '"grade_id": "look"', '"grade_id": "a look"', "up to 64"),
    "grade_id like an index": (NOTEBOOK, '"grade_id": "look"', '"grade_id": "cell-01"', "up to 64"),
    "another cell's check": (NOTEBOOK, 'check("report")', 'check("fitting")', 'hold check("report") and'),
    "more than a check": (NOTEBOOK, 'check("report")', 'check("report")\nprint()', "and nothing else"),
    "a grade cell with keywords": (NOTEBOOK, 'check("report")', 'check("report", x=1)', "and nothing"),
    "a grade cell that is no Python": (NOTEBOOK, 'check("report")', "check(", "and nothing else"),
    "no points": (NOTEBOOK, '"points": 4', '"points": 0', "points = 0 must be a number above 0"),
    "graded by hand": (NOTEBOOK, '"solution": true', '"solution": true, "grade": true', "by hand"),
    "a task cell": (NOTEBOOK, '"task": false} tags', '"task": true} tags', "graded by hand"),
    "no grade cells": (NOTEBOOK, '"grade": true', '"grade": false', "no grade cells"),
    "unknown question": (
        "hidden_checks.py",
        'question("report"',
        'question("reports"',
        "hidden_checks.py: pytest.mark.question: unknown name 'reports'; did you mean 'report'",
    ),
    "test without a question": (
        CHECKS,
        "@pytest.mark.question",
        "@pytest.mark.skip",
        "needs one @pytest.mark",
    ),
    "computed question": (CHECKS, 'question("report"', "question(NAME", "as a literal"),
    "unknown keyword": (CHECKS, "hint=", "tip=", "unknown name 'tip'; known are hint, weight"),
    "test without words": (
        CHECKS,
        '    """Forecasts lie on the line.\n\n    The fitted model was asked for two points.\n    """\n',
        "",
        "test_forecast needs a docs",
    ),
    "checks that are not Python": (CHECKS, "def test_report", "def test-report", "visible_checks.py: "),
}


@pytest.mark.parametrize(("file", "old", "new", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_lab_is_refused(source, file, old, new, message):
    load_lab(source)
    edit(source / file, old, new)
    with pytest.raises(LabError) as caught:
        load_lab(source)
    assert message in str(caught.value)
    assert str(source / file) in str(caught.value)


def test_question_without_a_check_is_refused(source):
    for name in ("visible_checks.py", "hidden_checks.py"):
        edit(source / name, 'question("report"', 'question("fitting"')
    with pytest.raises(LabError, match="no check belongs to question 'report'"):
        load_lab(source)


@pytest.mark.parametrize(
    "name", ["lab.toml", "lab0_slope.py", "slope.py", "test_slope.py", "visible_checks.py"]
)
def test_missing_file_is_named(source, name):
    (source / name).unlink()
    with pytest.raises(LabError, match=name.replace(".", r"\.")):
        load_lab(source)


def test_no_such_lab(tmp_path):
    with pytest.raises(LabError, match="there is no such lab"):
        load_lab(tmp_path / "lab7_none")


def test_hidden_checks_are_optional(source):
    (source / "hidden_checks.py").unlink()
    assert load_lab(source).hidden_checks is None


def test_line_ends_do_not_matter(source):
    questions = load_lab(source).questions
    for path in source.glob("*.*"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_lab(source).questions == questions


def test_every_lab_of_the_course_loads(root):
    labs = load_labs(root)
    assert labs
    for lab in labs:
        assert lab.hidden_checks is not None
        assert all(question.title and question.section for question in lab.questions)
