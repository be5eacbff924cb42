"""Right work with slips of the keyboard and habits of notebooks: it must cost nothing."""

import copy

import nbformat

from tests.redteam.desk import LAB, NO_TESTS, RIGHT, Desk, before, case, cell_of, code


@case("accidents", RIGHT, flags=frozenset({"duplicated-cell"}))
def test_cell_duplicated(desk: Desk) -> None:
    """A locked test cell and an answer were duplicated."""

    def edit(notebook):
        for name in ("fitting", "report_code"):
            cell = cell_of(notebook, name)
            twin = copy.deepcopy(cell)
            twin.id = f"{name}-copy"
            notebook.cells.insert(notebook.cells.index(cell) + 1, twin)

    desk.right(edit=edit)


@case("accidents", RIGHT)
def solution_cell_split(desk: Desk) -> None:
    """An answer was split inside a statement; both halves keep the cell's metadata."""

    def edit(notebook):
        cell = cell_of(notebook, "report_code")
        half = copy.deepcopy(cell)
        half.id = "half"
        head, tail = cell.source.split("\n", 1)
        cell.source, half.source = head, tail
        notebook.cells.insert(notebook.cells.index(cell) + 1, half)

    desk.right(edit=edit)


@case("accidents", RIGHT, flags=frozenset({"missing-cell"}))
def test_cells_deleted(desk: Desk) -> None:
    """All test cells and explanations were deleted to keep the notebook short."""

    def edit(notebook):
        notebook.cells = [cell_of(notebook, "setup"), cell_of(notebook, "report_code")]

    desk.right(edit=edit)


@case("accidents", RIGHT, flags=frozenset({"retagged-cell"}))
def cells_retagged(desk: Desk) -> None:
    """Metadata were lost, points changed and locks taken off."""

    def edit(notebook):
        cell_of(notebook, "report_code").metadata = {}
        cell_of(notebook, "fitting").metadata.nbgrader.points = 100
        cell_of(notebook, "report").metadata.nbgrader.locked = False

    desk.right(edit=edit)


@case("accidents", RIGHT)
def warnings_and_progress(desk: Desk) -> None:
    """Right code warns, logs, and shows a progress bar on stderr."""
    desk.right(
        replace={
            "        if len(x) < 2:\n": (
                "        import logging, sys, warnings\n"
                "        from tqdm import tqdm\n"
                "        warnings.warn('careful')\n"
                "        logging.warning('careful')\n"
                "        for _ in tqdm(range(3)): print('fitting', file=sys.stderr)\n"
                "        if len(x) < 2:\n"
            )
        },
        edit=before("report_code", "import sys\nprint('hello', file=sys.stderr)"),
    )


@case("accidents", RIGHT)
def values_displayed(desk: Desk) -> None:
    """Right code prints numbers and displays objects where nbgrader would take them for points."""
    desk.right(
        replace={"        if len(x) < 2:\n": "        print(0.0)\n        if len(x) < 2:\n"},
        edit=before("report_code", "from IPython.display import display\ndisplay(0.5)\n0.25", "0"),
    )


@case("accidents", RIGHT)
def magics_and_installs(desk: Desk) -> None:
    """Cells hold magics, shell commands, plots, an input, an exit and a syntax error."""
    desk.right(
        edit=before(
            "report_code",
            "%matplotlib inline\n%load_ext autoreload\n%autoreload 2",
            "!echo pip install torch\n%pip --version",
            "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
            "input('name? ')",
            "exit()",
            "this is no python",
        )
    )


@case("accidents", RIGHT)
def notebook_downloaded_twice(desk: Desk) -> None:
    """The browser called the notebook "lab0_slope (1).ipynb"; it has line ends of Windows and a byte-order mark."""
    desk.right()
    path = desk.folder / f"{LAB}.ipynb"
    text = path.read_text(encoding="utf-8").replace("\n", "\r\n")
    path.unlink()
    (desk.folder / f"{LAB} (1).ipynb").write_bytes(b"\xef\xbb\xbf" + text.encode())


@case("accidents", RIGHT)
def windows_line_ends(desk: Desk) -> None:
    """Module and tests have line ends of Windows, a byte-order mark and Cyrillic comments."""
    desk.right(append="# комментарий: прямая по точкам")
    for name in ("slope.py", "test_slope.py"):
        text = (desk.folder / name).read_text(encoding="utf-8").replace("\n", "\r\n")
        (desk.folder / name).write_bytes(b"\xef\xbb\xbf" + text.encode())


@case("accidents", RIGHT)
def outputs_of_20_megabytes(desk: Desk) -> None:
    """The notebook was handed in with 20 MB of outputs."""
    desk.right()
    path = desk.folder / f"{LAB}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    cell_of(notebook, "setup").outputs = [
        nbformat.v4.new_output("display_data", data={"image/png": "A" * 20_000_000})
    ]
    nbformat.write(notebook, path)


@case("accidents", RIGHT)
def cells_moved(desk: Desk) -> None:
    """The answer was moved to the top, and its helper to an added cell below."""

    def edit(notebook):
        cell = cell_of(notebook, "report_code")
        notebook.cells.remove(cell)
        cell.source = "def report(value):\n    return sentence(value)"
        notebook.cells[:0] = [cell, code("def sentence(value):\n    return f'slope {value:.2f}'")]

    desk.right(edit=edit)


@case("accidents", NO_TESTS)
def hidden_files_of_an_editor(desk: Desk) -> None:
    """Checkpoints, caches and files of an editor lie beside the work; there are no tests yet."""
    desk.right(tests="")
    notebook = (desk.folder / f"{LAB}.ipynb").read_bytes()
    desk.file(f".ipynb_checkpoints/{LAB}-checkpoint.ipynb", notebook)
    desk.file("__pycache__/slope.cpython-311.pyc", b"garbage")
    desk.file(".slope.py.swp", b"\0garbage")
    desk.file(".DS_Store", b"\0\0\0\1Bud1")
