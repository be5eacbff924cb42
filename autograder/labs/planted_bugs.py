"""A lab's planted bugs (``mutants/*.toml``) and other correct solutions (``variants/*.py``), read and checked.

A planted bug is a replacement in the reference module, so that it cannot outlive the code that it spoils::

    title = "dropout stays on while forecasting"
    names = "dropout"                 # what the feedback on a submission with this bug must match

    [[replace]]                       # each `old` occurs exactly once in the reference
    old = "        self.network.eval()\n"
    new = ""

    [costs]                           # points that a submission with this bug loses, by question
    prediction = 0.8

The last two are for the fairness suite: a bug that a student could have is also a submission to be judged.
"""

import ast
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.labs.schema import LabError, require_known

_KEYS = ("title", "names", "replace", "costs")


@dataclass(frozen=True)
class Mutant:
    """The reference module with one bug.

    Attributes
    ----------
    name, title : str
        The file's name, and the bug in words; students are told the title.
    text : str
        The module.
    costs : dict of str to float
        Points that a submission with this bug loses, by question.
    names : str
        A regular expression that the feedback on such a submission matches.
    """

    name: str
    title: str
    text: str = field(repr=False)
    costs: Mapping[str, float] = field(default_factory=dict)
    names: str = ""


def read_mutants(folder: Path, reference: str, questions: Iterable[str]) -> tuple[Mutant, ...]:
    """Return the planted bugs of a lab, by name.

    Parameters
    ----------
    folder : Path
        ``solutions/LAB/mutants``; it may be missing.
    reference : str
        Text of the reference module.
    questions : iterable of str
        What ``[costs]`` may name.

    Raises
    ------
    LabError
        For a file with an unknown or missing key, a replacement that does not fit the reference exactly once,
        or one that changes nothing or leaves no Python.
    """
    questions = list(questions)
    return tuple(_read_mutant(path, reference, questions) for path in sorted(folder.glob("*.toml")))


def read_variants(folder: Path, reference: str) -> dict[str, str]:
    """Return the text of each other correct solution of a lab, by name.

    Parameters
    ----------
    folder : Path
        ``solutions/LAB/variants``; it may be missing.
    reference : str
        Text of the reference module, whose public functions and classes every solution must have.

    Raises
    ------
    LabError
        If a file is no Python, or lacks a public name.
    """
    variants = {path.stem: _text(path) for path in sorted(folder.glob("*.py"))}
    wanted = _public(reference, str(folder))
    for name, text in variants.items():
        if missing := wanted - _public(text, f"{folder / name}.py"):
            raise LabError(f"{folder / name}.py: it does not define {', '.join(sorted(missing))}")
    return variants


def normalised(text: str) -> str:
    """Return a module without comments and layout, which would tell one implementation from another."""
    return ast.unparse(ast.parse(text)) + "\n"


def _read_mutant(path: Path, reference: str, questions: list[str]) -> Mutant:
    try:
        config = tomllib.loads(_text(path))
    except ValueError as error:
        raise LabError(f"{path}: {error}") from error
    require_known(config, _KEYS, str(path))
    title, names, costs = config.get("title"), config.get("names", ""), config.get("costs", {})
    if not (isinstance(title, str) and title.strip()):
        raise LabError(f"{path}: title is missing; it says in words what is wrong with this module")
    try:
        re.compile(names)
    except (re.error, TypeError) as error:
        raise LabError(f"{path}: names = {names!r} is no regular expression: {error}") from None
    if not isinstance(costs, dict) or not all(type(points) in (int, float) for points in costs.values()):
        raise LabError(f"{path}: [costs] gives points lost by question")
    require_known(costs, questions, f"{path}: [costs]")
    text = reference
    for change in config.get("replace", []):
        text = _replace(text, change, path)
    try:
        spoiled = normalised(text)
    except SyntaxError as error:
        raise LabError(f"{path}: what the replacements leave is no Python: {error}") from error
    if spoiled == normalised(reference):
        raise LabError(f"{path}: nothing of what runs is replaced; expected [[replace]] with old and new")
    return Mutant(path.stem, title, text, costs, names)


def _replace(text: str, change: Any, path: Path) -> str:
    """Carry out one ``[[replace]]``."""
    if not isinstance(change, dict) or set(change) != {"old", "new"}:
        raise LabError(f"{path}: each [[replace]] has old and new, and nothing else")
    old, new = change["old"], change["new"]
    if not isinstance(old, str) or not isinstance(new, str) or not old:
        raise LabError(f"{path}: old and new are texts, and old is not empty")
    if (count := text.count(old)) != 1:
        raise LabError(f"{path}: old occurs {count} times in the reference and must occur once: {old!r}")
    return text.replace(old, new)


def _public(text: str, where: str) -> set[str]:
    """Return the public functions and classes that a module defines."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError) as error:
        raise LabError(f"{where}: {error}") from error
    named = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return {node.name for node in named if not node.name.startswith("_")}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise LabError(f"{path}: {error}") from error
