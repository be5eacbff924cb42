"""The result of ``check`` where GitHub shows it: the run's summary, and GitHub Classroom's points.

Classroom reads two annotations, which its own reporter prints as workflow commands (classroom-resources/
autograding-grading-reporter, ``src/notify-classroom.js``); printing them takes no action and no permission.
"""

import html
import json

from autograder.judging.verdict import QuestionResult, Verdict
from autograder.labs.definition import OWN_TESTS, Lab
from autograder.results.explain import explanation


def job_summary(lab: Lab, verdict: Verdict) -> str:
    """Return the verdict in the Markdown that ``GITHUB_STEP_SUMMARY`` takes."""
    earned, possible = points(verdict)
    lines = [
        f"## {_plain(lab.title)}",
        "",
        f"{earned:g} of {possible:g} points by the checks that you have; the grader has some more.",
        "",
        "| Question | | Points |",
        "|---|---|---:|",
    ]
    for result in _checked(verdict):
        word = "OK" if result.right else "not yet"
        lines.append(
            f"| {_plain(result.question.title)} | {word} | {result.score:g} of {result.question.points:g} |"
        )
    for result in _checked(verdict):
        for check in result.checks:
            if not check.passed:
                lines += ["", f"**{_plain(result.question.title)}**: {_plain(check.title)}", ""]
                lines.append(f"<pre>{html.escape(chr(10).join(explanation(check)))}</pre>")
    return "\n".join([*lines, ""])


def classroom_notices(verdict: Verdict) -> list[str]:
    """Return the workflow commands that give GitHub Classroom the points."""
    earned, possible = points(verdict)
    report = json.dumps({"totalPoints": earned, "maxPoints": possible})
    return [
        f"::notice title=Autograding complete::Points {earned:g}/{possible:g}",
        f"::notice title=Autograding report::{report}",
    ]


def points(verdict: Verdict) -> tuple[float, float]:
    """Return the points earned and possible in questions that students can check."""
    checked = _checked(verdict)
    earned = round(sum(result.score for result in checked), 2)
    return earned, sum(result.question.points for result in checked)


def _checked(verdict: Verdict) -> list[QuestionResult]:
    return [result for result in verdict.questions if result.checks or result.question.name == OWN_TESTS]


def _plain(text: str) -> str:
    return html.escape(text).replace("|", "&#124;")
