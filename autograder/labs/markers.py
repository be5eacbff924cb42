"""Solution regions: the lines between ``### BEGIN SOLUTION`` and ``### END SOLUTION``.

nbgrader strips only notebooks. Python files are stripped here by its own preprocessor, so that the same
markers leave the same stub in both.
"""

import nbformat
from nbgrader.preprocessors import ClearSolutions

_CLEAR = ClearSolutions()
BEGIN, END = _CLEAR.begin_solution_delimeter, _CLEAR.end_solution_delimeter


def solution_regions(text: str) -> list[str]:
    """Return what stands between the markers.

    Parameters
    ----------
    text : str
        A Python file or a cell's source.

    Returns
    -------
    list of str
        One text per region, in order; markers are left out.

    Raises
    ------
    ValueError
        For a region that is nested, never closed or never opened, with its line number (from 1).
    """
    regions: list[list[str]] = []
    opened = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if BEGIN in line:
            if opened:
                raise ValueError(f"line {number}: {BEGIN} inside the region that line {opened} opens")
            opened = number
            regions.append([])
        elif END in line:
            if not opened:
                raise ValueError(f"line {number}: {END} without {BEGIN} before it")
            opened = 0
        elif opened:
            regions[-1].append(line)
    if opened:
        raise ValueError(f"line {opened}: {BEGIN} without {END} after it")
    return ["\n".join(lines) for lines in regions]


def stub(text: str) -> str:
    """Return a text with each solution region replaced by a stub at the indentation of its first marker."""
    if BEGIN not in text:
        return text
    cell = nbformat.v4.new_code_cell(text, metadata={"nbgrader": {"solution": True}})
    return _CLEAR.preprocess_cell(cell, {"language": "python"}, 0)[0].source


def stub_module(text: str) -> str:
    """Return a Python file as students get it: solutions are stubs that raise ``NotImplementedError``.

    Parameters
    ----------
    text : str
        The file's text, with line feeds.

    Returns
    -------
    str
        The file, which is still Python.

    Raises
    ------
    ValueError
        If the markers do not match, there are none, or what is left is not Python.
    """
    if not solution_regions(text):
        raise ValueError(f"nothing is marked {BEGIN}: students would get the whole solution")
    stubbed = stub(text)
    try:
        compile(stubbed, "the file without its solutions", "exec", dont_inherit=True)
    except SyntaxError as error:
        raise ValueError(f"{error}: the marker has the indentation of the code that it replaces") from error
    return stubbed
