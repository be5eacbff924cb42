"""What a lab's workers import before a submission's code runs: once, instead of once a submission."""

import ast
import contextlib
from collections.abc import Iterator, Mapping

from autograder.labs.definition import Lab
from autograder.labs.notebooks import role


def preloadable(lab: Lab, module_only: bool = False) -> list[str]:
    """Return what the lab's module, its notebook's setup and its visible checks import, but not each other.

    With ``module_only`` what the module imports: all that the many runs of a student's own tests need.
    """
    cells = [] if module_only else [cell for cell in lab.notebook.cells if role(cell) == "setup"]
    sources: list[str | bytes] = [cell.source for cell in cells]
    names: dict[str, None] = {}
    for path in (lab.folder / f"{lab.module}.py", *([] if module_only else [lab.visible_checks])):
        with contextlib.suppress(OSError):  # in a released lab the module is the student's file
            sources.append(path.read_bytes())
    for source in sources:
        try:
            body = ast.parse(source).body
        except (SyntaxError, ValueError):
            continue
        imported: dict[str, str] = {}
        for node in body:
            if isinstance(node, ast.Import):
                imported |= {alias.asname or alias.name: alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names[node.module] = None
        names |= dict.fromkeys(imported.values())
        names |= dict.fromkeys(_late_names(source, imported))
    return [name for name in names if not (lab.folder / f"{name.partition(':')[0]}.py").exists()]


def _late_names(source: str | bytes, imported: Mapping[str, str]) -> Iterator[str]:
    """Yield ``module:attribute`` for what a source takes from its modules: some are loaded when first asked for."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported:
            yield f"{imported[node.value.id]}:{node.attr}"
