"""Odd files in the folder that was handed in; most meet the judge before any code runs."""

import io
import os
import zipfile

import nbformat

from tests.redteam.desk import LAB, NO_TESTS, NOTHING, RIGHT, Desk, case, cell_of

ONLY_REPORT = NOTHING | {"report": 2.0}
NO_REPORT = RIGHT | {"report": 0.0}


@case("files", NOTHING, flags=frozenset({"file-left-out"}))
def module_links_to_the_solution(desk: Desk) -> None:
    """The module is a symbolic link to the reference solution."""
    desk.stub()
    (desk.folder / "slope.py").unlink()
    (desk.folder / "slope.py").symlink_to(desk.lab / "slope.py")


@case("files", NOTHING, flags=frozenset({"file-left-out"}), plain=False)
def files_link_to_a_neighbours(desk: Desk) -> None:
    """Notebook, module and tests are symbolic links to another student's."""
    for name in (f"{LAB}.ipynb", "slope.py", "test_slope.py"):
        (desk.folder / name).symlink_to(f"../../000-good/{LAB}/{name}")


@case("files", NOTHING, plain=False)
def folder_links_to_a_neighbours(desk: Desk) -> None:
    """The student's folder of this lab is a symbolic link to another student's."""
    desk.folder.rmdir()
    desk.folder.symlink_to(f"../000-good/{LAB}")


@case("files", NOTHING, plain=False)
def student_links_to_a_neighbour(desk: Desk) -> None:
    """The student's whole folder is a symbolic link to another student's."""
    desk.folder.rmdir()
    desk.folder.parent.rmdir()
    desk.folder.parent.symlink_to("000-good")


@case("files", RIGHT, absent=("secret_seed",))
def artefact_links_upwards(desk: Desk) -> None:
    """The folder artefact/ is full of links to the lab, the root of the system and itself, and of odd names."""
    desk.right()
    artefact = desk.folder / "artefact"
    for name, target in {"lab": desk.lab, "root": "/", "self": ".", "up": "../..", "gone": "nowhere"}.items():
        artefact.mkdir(exist_ok=True)
        (artefact / name).symlink_to(target)
    for name in (
        "..",
        "...",
        "..weights",
        "-rf",
        "a\nb",
        "a\\..\\b",
        "%2e%2e",
        "x" * 250,
        "é",
        "\u202egnp.exe",
    ):
        if name != "..":
            (artefact / name).write_text("1")


@case("files", RIGHT, plain=False)
def pipes_and_devices(desk: Desk) -> None:
    """Named pipes and a device lie in the folder, where reading would wait for ever; the work is right."""
    desk.right()
    (desk.folder / "artefact").mkdir()
    for name in ("notes.py", "conftest.py", "other.ipynb", "artefact/weights", "artefact/data.py"):
        os.mkfifo(desk.folder / name)
    try:
        os.mknod(desk.folder / "artefact" / "zero", 0o20644, os.makedev(1, 5))
    except OSError:  # an ordinary user makes no devices
        (desk.folder / "artefact" / "zero").symlink_to("/dev/zero")


@case("files", RIGHT, plain=False)
def timestamp_is_a_pipe(desk: Desk) -> None:
    """The file timestamp.txt is a named pipe that nobody writes to."""
    desk.right()
    os.mkfifo(desk.folder / "timestamp.txt")


@case("files", RIGHT, plain=False)
def timestamp_has_no_end(desk: Desk) -> None:
    """The file timestamp.txt is a link to /dev/zero."""
    desk.right()
    (desk.folder / "timestamp.txt").symlink_to("/dev/zero")


@case("files", RIGHT)
def timestamp_of_another_calendar(desk: Desk) -> None:
    """The file timestamp.txt holds dates that overflow, text, and 2 MB of digits."""
    desk.right()
    desk.file("timestamp.txt", b"9999-12-31T23:59:59+00:00\xff" + b"9" * 2_000_000)


@case("files", RIGHT)
def timestamp_overflows(desk: Desk) -> None:
    """The file timestamp.txt holds the first moment of year 1, east of Greenwich: in UTC there is none."""
    desk.right()
    desk.file("timestamp.txt", "0001-01-01T00:00:00+14:00")


@case("files", RIGHT)
def zip_bomb(desk: Desk) -> None:
    """The folder artefact/ holds a zip file of 1 MB that unpacks to 1 GB, called like a saved model."""
    desk.right()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as member:
        for _ in range(1024):
            member.write(bytes(2**20))
    for name in ("weights.zip", "model.npz", "weights.safetensors"):
        desk.file(f"artefact/{name}", packed.getvalue())


@case("files", RIGHT)
def pickle_bomb(desk: Desk) -> None:
    """The folder artefact/ holds pickles that run code when they are loaded, under the names of saved models."""
    desk.right()
    bomb = b"cos\nsystem\n(S'touch exploded; sleep 60'\ntR."
    for name in ("model.pkl", "model.pt", "manifest.json", "weights.safetensors", "model.joblib"):
        desk.file(f"artefact/{name}", bomb)


@case("files", RIGHT, plain=False)
def thousands_of_files(desk: Desk) -> None:
    """The folder holds 3 000 small files in folders nested 100 deep."""
    desk.right()
    deep = desk.folder / "artefact" / "/".join(["d"] * 100)
    deep.mkdir(parents=True)
    for index in range(3000):
        (deep / f"{index}").write_bytes(b"")
    for index in range(300):
        (desk.folder / f"a_{index}.py").write_bytes(b"")


@case("files", NO_REPORT, flags=frozenset({"file-left-out"}))
def notebook_of_100_megabytes(desk: Desk) -> None:
    """The notebook has 100 MB, nearly all in one output."""
    desk.right()
    path = desk.folder / f"{LAB}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    output = nbformat.v4.new_output("stream", name="stdout", text="x" * 100_000_000)
    cell_of(notebook, "report_code").outputs = [output]
    nbformat.write(notebook, path)


@case("files", NO_REPORT, says="notebook cannot be read")
def notebook_nested_without_end(desk: Desk) -> None:
    """The notebook is a JSON bomb: lists nested 200 000 deep."""
    desk.right()
    desk.file(
        f"{LAB}.ipynb", '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": ' + "[" * 200_000
    )


@case("files", NO_REPORT, at_most=True)
def notebook_nested_deep(desk: Desk) -> None:
    """The metadata of a cell are nested 900 deep: within what the JSON parser takes, beyond what others do."""
    desk.right()
    path = desk.folder / f"{LAB}.ipynb"
    text = path.read_text(encoding="utf-8").replace('"metadata": {', '"metadata": {"deep": @,', 1)
    path.write_text(text.replace("@", '{"a":' * 900 + "1" + "}" * 900, 1), encoding="utf-8")


@case("files", NO_REPORT, says="notebook cannot be read")
def notebook_is_not_utf8(desk: Desk) -> None:
    """The notebook holds bytes that are no UTF-8."""
    desk.right()
    path = desk.folder / f"{LAB}.ipynb"
    path.write_bytes(path.read_bytes().replace(b"slope", b"\xff\xfe\x80slope"))


@case("files", ONLY_REPORT)
def module_is_not_utf8(desk: Desk) -> None:
    """Module and tests hold bytes that are no UTF-8, and zeros."""
    desk.right()
    for name in ("slope.py", "test_slope.py"):
        desk.file(name, b"# \xe9\xff\x00\n" + (desk.folder / name).read_bytes())


@case("files", NO_REPORT, at_most=True)
def notebook_of_wrong_types(desk: Desk) -> None:
    """Cells are numbers and lists, sources are dicts, metadata are text, ids are null."""
    desk.right()
    cells = '[1, [], {"cell_type": 3}, {"source": {}, "metadata": "x", "cell_type": "code", "id": null}]'
    desk.file(f"{LAB}.ipynb", f'{{"nbformat": 4, "nbformat_minor": 5, "metadata": {{}}, "cells": {cells}}}')


@case("files", RIGHT)
def notebook_of_thousands_of_cells(desk: Desk) -> None:
    """The notebook has 2 000 added cells, all with the same id."""
    from tests.redteam.desk import code

    def edit(notebook):
        cells = [code(f"value = {index}") for index in range(2000)]
        for cell in cells:
            cell.id = "same"
        notebook.cells[3:3] = cells

    desk.right(edit=edit)


@case("files", NO_TESTS)
def module_of_a_megabyte(desk: Desk) -> None:
    """The module ends in an expression of 900 kB, right otherwise; the tests are the stub."""
    from tests.redteam.desk import template

    desk.right(append="_numbers = [" + "1," * 400_000 + "]", tests=template()["stub"]["test_slope.py"])
