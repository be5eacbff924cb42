"""What numpydoc objects to in a module that a student wrote."""

import ast
import tempfile
from pathlib import Path

from numpydoc.hooks.validate_docstrings import process_file

# No docstring; no summary; parameters missing, unknown or without a description; nothing about what is returned.
NUMPYDOC_CHECKS = {"GL08", "SS01", "PR01", "PR02", "PR07", "RT01"}


def numpydoc_errors(source: str) -> list[str]:
    """Return what numpydoc objects to, as "name: message", in the text of a module (which is never run).

    Raises ``NotImplementedError`` where the offender is a stub: that is not documentation missing, but work.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "module.py"
        path.write_text(source, encoding="utf-8")
        findings = process_file(path, {"checks": NUMPYDOC_CHECKS, "exclude": r"\._", "overrides": {}})
    stubs = {
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and _is_to_be_filled_in(node.body[-1])
    }
    generated = {  # a dataclass has its parameters without an __init__ that could be read
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and node.decorator_list
    }
    functions = _functions(ast.parse(source), path.stem)
    findings = [
        (file, name, code, message)
        for file, name, code, message in findings
        if not (code == "PR02" and name.rpartition(".")[2] in generated)
        and not any(
            name.startswith(f"{function}.") for function in functions
        )  # nobody can call what is inside
    ]
    unfinished = {name for _, name, _, _ in findings if name.rpartition(".")[2] in stubs}
    if unfinished:
        raise NotImplementedError(f"still to be written and documented: {', '.join(sorted(unfinished))}")
    return [f"{name}: {message}" for _, name, _, message in findings]


def _is_to_be_filled_in(statement: ast.stmt) -> bool:
    """Tell whether a statement raises ``NotImplementedError``, as the last one of a stub does."""
    if not isinstance(statement, ast.Raise):
        return False
    raised = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
    return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"


def _functions(node: ast.AST, name: str) -> set[str]:
    """Return the dotted names of all functions and methods below a node of this name."""
    found = set()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{name}.{child.name}"
            found |= _functions(child, inner) | (set() if isinstance(child, ast.ClassDef) else {inner})
    return found
