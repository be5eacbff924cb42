"""Feedback for one student: a page that says what was tried, what came back, and how to go on."""

from pathlib import Path

import jinja2

from autograder.graded import explanation
from autograder.judge import Verdict
from autograder.lab import OWN_TESTS, Lab
from itemmarket.atomic import write_text
from itemmarket.own_tests import describe_own_tests

TEMPLATES = Path(__file__).parent / "templates"
STATUS_WORDS = {
    "graded": "",
    "missing": "Nothing was handed in.",
    "corrupt-notebook": "The notebook cannot be read. The module was graded all the same.",
    "timed-out": "Something ran into its time limit. All the rest was graded.",
    "crashed": "Something ended the process that ran your code. All the rest was graded.",
}


def environment() -> jinja2.Environment:
    """Return the templates; everything that is put into them is escaped."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_feedback(folder: Path, lab: Lab, verdict: Verdict) -> Path:
    """Write ``feedback/STUDENT/LAB.html`` below ``folder`` and return its path."""
    page = (
        environment()
        .get_template("feedback.html.j2")
        .render(
            lab=lab,
            verdict=verdict,
            status=STATUS_WORDS[verdict.status],
            explanation=explanation,
            own_tests_name=OWN_TESTS,
            own_tests=describe_own_tests(verdict.own_tests) if verdict.own_tests else "No tests were run.",
        )
    )
    path = folder / "feedback" / verdict.student / f"{lab.name}.html"
    write_text(path, page)
    return path
