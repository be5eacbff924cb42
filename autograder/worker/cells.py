"""Runs the code cells of a notebook without Jupyter: half a second cheaper, and nothing to hook into."""

import ast
import builtins
import linecache
import types
from typing import Any


def run_cell(name: str, source: str, names: dict[str, Any]) -> None:
    """Run one code cell.

    Parameters
    ----------
    name : str
        What tracebacks call the cell.
    source : str
        Its text; IPython's magics and shell commands are left out, ``%%time`` and its like run their body.
    names : dict
        The notebook's global names, which the cell reads and changes.
    """
    file_name = f"<cell {name}>"
    code = _python(source)
    linecache.cache[file_name] = (len(code), None, code.splitlines(keepends=True), file_name)
    names.setdefault("__builtins__", builtins)
    names.setdefault("display", lambda *values, **options: None)
    names["get_ipython"] = lambda: _Shell(name, names)
    exec(compile(code, file_name, "exec"), names)


def _python(source: str) -> str:
    """Return a cell as plain Python; IPython is imported only where there is something to translate."""
    try:
        ast.parse(source)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        return TransformerManager().transform_cell(source)
    return source


class _Shell:
    """The least of IPython that translated magics call."""

    _WRAPPERS = frozenset({"time", "timeit", "capture", "prun"})  # cell magics whose body is ordinary code

    def __init__(self, name: str, names: dict[str, Any]) -> None:
        self._name, self._names = name, names

    def run_cell_magic(self, magic: str, line: str, body: str) -> None:
        """Run the body of ``%%time`` and its like; other cell magics hold no Python."""
        if magic in self._WRAPPERS:
            run_cell(self._name, body, self._names)

    def run_line_magic(self, magic: str, line: str, *depth: int) -> Any:
        """Run the statement of ``%time``; all other line magics do nothing."""
        if magic in self._WRAPPERS:
            run_cell(self._name, line, self._names)

    def system(self, command: str) -> None:
        """Run no shell command."""

    getoutput = system

    def __getattr__(self, attribute: str) -> Any:
        return types.SimpleNamespace() if attribute != "__wrapped__" else None
