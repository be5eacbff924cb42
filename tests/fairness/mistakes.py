"""Mistakes that fit every lab: in answers, tests, documentation, and a module that does not even parse."""

import ast
import re
from collections.abc import Mapping

from autograder.labs.definition import Lab
from tests.fairness.styles import answer, change
from tests.fairness.submissions import Files
from tests.fairness.suite import Mistake, Style

WRONG_TEST = "\n\ndef test_that_is_wrong():\n    assert 1 + 1 == 3\n"


def own_tests(text: str, keep: bool = False) -> Style:
    """Other tests, or more of them."""
    return lambda lab, files: files | {lab.files.tests: (files[lab.files.tests] if keep else "") + text}


def no_tests(lab: Lab, files: Files) -> Files:
    """No test file."""
    return {name: text for name, text in files.items() if name != lab.files.tests}


def answers(cell: str, letters: Mapping[str, str]) -> Style:
    """Other answers to the questions."""
    return lambda lab, files: answer(lab, files, cell, f"answers = {dict(letters)!r}")


def unclosed_class(lab: Lab, files: Files) -> Files:
    """A colon is missing after the name of the class."""
    (line,) = re.findall(rf"^class {lab.class_name}\b.*:$", files[lab.files.module], re.MULTILINE)
    return change(lab, files, {line: line.removesuffix(":")})


def undocumented(name: str) -> Style:
    """No docstring in one method."""

    def make(lab: Lab, files: Files) -> Files:
        text = files[lab.files.module]
        (function,) = (
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef) and node.name == name
        )
        lines = text.split("\n")
        del lines[function.body[0].lineno - 1 : function.body[0].end_lineno]
        return files | {lab.files.module: "\n".join(lines)}

    return make


def common(
    points: Mapping[str, float],
    right: Mapping[str, str],
    per_letter: float,
    n_tests: int,
    in_notebook: tuple[str, ...],
) -> dict[str, Mistake]:
    """Return the mistakes that fit every lab.

    Parameters
    ----------
    points : mapping of str to float
        By question.
    right : mapping of str to str
        The letter of each topic in the cell ``reading_code``.
    per_letter : float
        Points for one letter in the hidden checks.
    n_tests : int
        Tests in the reference's test file, each with each of its parameters.
    in_notebook : tuple of str
        Questions that need no module.
    """
    first = next(iter(right))
    other = "a" if right[first] != "a" else "b"
    reading = points["reading"]
    return {
        "one wrong answer": Mistake(
            answers("reading_code", {**right, first: other}), {"reading": per_letter}, "Read the text above"
        ),
        "answers in capitals": Mistake(
            answers("reading_code", {topic: letter.upper() for topic, letter in right.items()}),
            {"reading": reading},
            "one letter from a to d",
        ),
        "answers forgotten": Mistake(
            answers("reading_code", {first: right[first]}),
            {"reading": round(reading - per_letter, 2)},
            "One letter per question",
        ),
        "no docstring": Mistake(
            undocumented("save"), {"documentation": points["documentation"]}, "numpydoc docstring"
        ),
        "a typing error in the module": Mistake(
            unclosed_class,
            {name: worth for name, worth in points.items() if name not in in_notebook},
            "SyntaxError",
        ),
        "a wrong test": Mistake(
            own_tests(WRONG_TEST, keep=True),
            {"own_tests": round(points["own_tests"] / (n_tests + 1), 2)},
            "test_that_is_wrong: AssertionError",
            mutate=True,
        ),
        "no tests": Mistake(no_tests, {"own_tests": points["own_tests"]}, r"test_\w+\.py is missing"),
    }
