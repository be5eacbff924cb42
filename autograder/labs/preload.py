"""What a lab's workers import before a submission's code runs: once, instead of once a submission."""

import ast
import contextlib

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
        for node in body:
            if isinstance(node, ast.Import):
                names |= dict.fromkeys(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names[node.module] = None
    return [name for name in names if not (lab.folder / f"{name}.py").exists()]
