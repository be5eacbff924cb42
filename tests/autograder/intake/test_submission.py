"""What is read from a student's folder, and how a notebook with slips is put back in order."""

import copy
import json
import random

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.intake.arrangement import arrange
from autograder.intake.submission import SubmissionsError, find_submissions, pack, read_submission, unpack
from tests.labs.handing_in import hand_in, hand_in_stub, reference_notebook, slope_lab

LAB = slope_lab()
REFERENCE = reference_notebook()
ANSWER = next(cell.source for cell in REFERENCE.cells if cell.id == "report_code")
RIGHT = [("setup", LAB.notebook.cells[1].source), ("report_code", ANSWER)]


def put_in_order(edit):
    notebook = copy.deepcopy(REFERENCE)
    edit(notebook)
    arrangement = arrange(LAB.notebook, notebook)
    return arrangement, arrangement.runnable(LAB.notebook)


def position(notebook, name: str) -> int:
    return next(index for index, cell in enumerate(notebook.cells) if cell.id == name)


def code(source: str):
    return nbformat.v4.new_code_cell(source)


def duplicate(notebook):
    """Copy and paste in Jupyter: the copy has a new id and the same metadata."""
    for name in ("report_code", "fitting", "setup"):
        twin = copy.deepcopy(notebook.cells[position(notebook, name)])
        twin.id = f"new-{name}"
        notebook.cells.insert(position(notebook, name), twin)


def delete_locked(notebook):
    notebook.cells = [c for c in notebook.cells if c.id not in ("setup", "fitting", "prediction", "cell-00")]


def retag(notebook):
    for name in ("report_code", "setup"):
        cell = notebook.cells[position(notebook, name)]
        cell.metadata = {"tags": ["skip-execution"], "nbgrader": {"grade_id": "fitting", "points": 1000}}


def untag(notebook):
    for cell in notebook.cells:
        cell.metadata = {}


def old_format(notebook):
    """An editor that knows no cell ids."""
    for cell in notebook.cells:
        cell.id = f"random-{random.random()}"


def to_markdown(notebook):
    notebook.cells[position(notebook, "report_code")].cell_type = "markdown"


def unlock(notebook):
    notebook.cells[position(notebook, "setup")].source = "raise SystemExit"


def tamper(notebook):
    notebook.cells[position(notebook, "fitting")].source = "print('I passed')"


@pytest.mark.parametrize(
    ("edit", "flags"),
    [
        (lambda notebook: None, []),
        (duplicate, ["duplicated-cell"]),
        (delete_locked, ["missing-cell"]),
        (lambda notebook: notebook.cells.reverse(), ["moved-cell"]),
        (retag, ["retagged-cell"]),
        (untag, ["retagged-cell"]),
        (old_format, []),
        (to_markdown, ["retagged-cell"]),
        (unlock, ["changed-cell"]),
        (tamper, ["changed-cell"]),
    ],
    ids=[
        "none",
        "duplicated",
        "deleted",
        "reversed",
        "retagged",
        "untagged",
        "no ids",
        "markdown",
        "setup",
        "check",
    ],
)
def test_a_slip_changes_what_is_noted_and_not_what_is_run(edit, flags):
    arrangement, cells = put_in_order(edit)
    assert cells == RIGHT
    assert arrangement.flags == flags
    assert bool(arrangement.notes) == bool(flags)


@settings(deadline=None)
@given(st.data())
def test_any_mixture_of_moves_copies_and_lost_tags_runs_the_same(data):
    def edit(notebook):
        cells = [notebook.cells[i] for i in data.draw(st.permutations(range(len(notebook.cells))))]
        for cell in data.draw(st.lists(st.sampled_from(cells), max_size=4)):
            cells.insert(data.draw(st.integers(0, len(cells))), copy.deepcopy(cell))
        for cell in cells:
            if data.draw(st.booleans()):
                cell.metadata = {}
        notebook.cells = cells

    assert put_in_order(edit)[1] == RIGHT


def test_a_helper_in_an_added_cell_runs_where_it_stands():
    def edit(notebook):
        notebook.cells.insert(position(notebook, "report_code"), code("helper = 1"))
        notebook.cells.insert(0, code("first = 0"))
        notebook.cells.append(code("last = 2"))

    arrangement, cells = put_in_order(edit)
    assert [source for _, source in cells] == ["first = 0", RIGHT[0][1], "helper = 1", ANSWER, "last = 2"]
    assert len({name for name, _ in cells}) == len(cells)
    assert arrangement.flags == []


def test_an_untagged_copy_of_a_locked_cell_is_not_the_students_code():
    look = next(cell.source for cell in LAB.notebook.cells if cell.id == "look")
    _, cells = put_in_order(lambda notebook: notebook.cells.extend([code(look), code('check( "fitting" )')]))
    assert cells == RIGHT


def test_a_cell_split_inside_a_function_is_joined():
    def edit(notebook):
        index = position(notebook, "report_code")
        top, bottom = ANSWER.split("\n", 1)
        second = copy.deepcopy(notebook.cells[index])
        notebook.cells[index].source, second.source, second.id = top, bottom, "other"
        notebook.cells.insert(index + 1, second)

    assert put_in_order(edit)[1] == RIGHT


def test_two_versions_of_an_answer_run_in_the_students_order():
    def edit(notebook):
        index = position(notebook, "report_code")
        stub = copy.deepcopy(notebook.cells[index])
        stub.source = "raise NotImplementedError()"
        notebook.cells.insert(index, stub)

    cells = put_in_order(edit)[1]
    assert cells == [RIGHT[0], ("report_code", "raise NotImplementedError()"), ("report_code (2)", ANSWER)]


def test_a_deleted_answer_is_noted_and_found_in_another_cell():
    def edit(notebook):
        del notebook.cells[position(notebook, "report_code")]
        notebook.cells.append(code(ANSWER))

    arrangement, cells = put_in_order(edit)
    assert cells == [RIGHT[0], ("added", ANSWER)]
    assert arrangement.flags == ["missing-cell"]


@pytest.mark.parametrize(
    "cells",
    [None, 3, [3], [{}], [{"cell_type": "code"}], [{"cell_type": "code", "source": "", "metadata": 3}]],
    ids=str,
)
def test_odd_notebooks_are_called_no_notebook(cells):
    with pytest.raises(ValueError, match="no notebook"):
        arrange(LAB.notebook, {"cells": cells})


def test_odd_metadata_is_survived():
    metadata = [{"nbgrader": 3}, {"nbgrader": {"grade_id": ["x"]}}, {"nbgrader": None}]
    cells = [{"cell_type": "code", "source": "1", "metadata": m, "id": 5} for m in metadata]
    assert len(arrange(LAB.notebook, {"cells": cells}).added[None]) == 3


def test_the_reference_is_read_whole(tmp_path):
    submission = read_submission(LAB, "ada", hand_in(tmp_path, "ada"))
    assert set(submission.own) == set(LAB.files)
    assert set(submission.files) == {"slope.py", "test_slope.py", "visible_checks.py", "lab.toml"}
    assert (submission.notes, submission.flags, submission.corrupt, submission.missing) == ([], [], "", False)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"\xff\xfe",
        b'{"cells": 3}',
        b"[" * 100_000,
        b'{"nbformat": 4}',
        b'{"nbformat": "x"}',
    ],
    ids=["empty", "torn", "list", "number", "bytes", "no cells", "deep", "no body", "version"],
)
def test_a_corrupt_notebook_is_a_note(tmp_path, content):
    folder = hand_in(tmp_path, "ada")
    (folder / LAB.files.notebook).write_bytes(content)
    submission = read_submission(LAB, "ada", folder)
    assert submission.corrupt
    assert "cannot be read" in submission.notes[0]
    assert "slope.py" in submission.files


def test_missing_files_are_noted(tmp_path):
    folder = hand_in(tmp_path, "ada")
    for name in (LAB.files.notebook, LAB.files.module):
        (folder / name).unlink()
    submission = read_submission(LAB, "ada", folder)
    assert submission.flags == ["no-notebook", "no-module"] and not submission.missing
    (tmp_path / "bob" / LAB.name).mkdir(parents=True)
    assert read_submission(LAB, "bob", tmp_path / "bob" / LAB.name).missing
    assert read_submission(LAB, "cyd", tmp_path / "nowhere").missing


def test_a_notebook_under_another_name_is_found(tmp_path):
    folder = hand_in(tmp_path, "ada")
    (folder / LAB.files.notebook).rename(folder / "lab0_slope (1).ipynb")
    assert LAB.files.notebook in read_submission(LAB, "ada", folder).own


def test_helpers_and_artefacts_are_taken_along_but_not_the_labs_own_files(tmp_path):
    folder = hand_in(tmp_path, "ada")
    (folder / "helper.py").write_text("")
    (folder / "visible_checks.py").write_text("raise SystemExit")
    (folder / "artefact" / "deep").mkdir(parents=True)
    (folder / "artefact" / "deep" / "weights").write_bytes(b"1")
    (folder / "notes.txt").write_text("")
    submission = read_submission(LAB, "ada", folder)
    assert {"helper.py", "artefact/deep/weights"} < set(submission.files)
    assert submission.files["visible_checks.py"] == LAB.visible_checks
    assert "notes.txt" not in submission.files


def test_links_and_huge_files_are_left_out(tmp_path):
    folder = hand_in(tmp_path, "ada")
    secret = tmp_path / "solution.py"
    secret.write_text("")
    (folder / "slope.py").unlink()
    try:
        (folder / "slope.py").symlink_to(secret)
    except OSError:
        pytest.skip("machine: no symbolic links here")
    (folder / "test_slope.py").write_bytes(b"#" * (2**20 + 1))
    submission = read_submission(LAB, "ada", folder)
    assert set(submission.own) == {LAB.files.notebook}
    assert "file-left-out" in submission.flags
    assert any("link" in note for note in submission.notes)
    assert any("1,048,577 bytes" in note for note in submission.notes)


def test_timestamps_as_nbgrader_writes_them(tmp_path):
    folder = hand_in_stub(tmp_path, "ada")
    for text, expected in {
        "2026-03-01 12:00:00 UTC": "2026-03-01T12:00:00",
        "2026-03-01 12:00:00 +0300\n": "2026-03-01T09:00:00",
        "yesterday": None,
        "": None,
    }.items():
        (folder / "timestamp.txt").write_text(text)
        moment = pack(LAB, "ada", folder).timestamp
        assert (moment and moment.isoformat()) == expected


def test_students_are_found_and_bad_folders_explained(tmp_path):
    with pytest.raises(SubmissionsError, match="is no folder: expected SUBMITTED/STUDENT/lab0_slope/"):
        find_submissions(tmp_path / "nowhere", LAB.name)
    with pytest.raises(SubmissionsError, match="holds no submissions of lab0_slope"):
        find_submissions(tmp_path, LAB.name)
    hand_in_stub(tmp_path, "bob")
    (tmp_path / "ada").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("")
    assert list(find_submissions(tmp_path, LAB.name)) == ["ada", "bob"]
    with pytest.raises(SubmissionsError, match="may be the folder that is meant"):
        find_submissions(tmp_path / "bob", LAB.name)


def test_json_of_a_duplicated_id_is_read(tmp_path):
    folder = hand_in(tmp_path, "ada")
    path = folder / LAB.files.notebook
    content = json.loads(path.read_text(encoding="utf-8"))
    content["cells"] = [cell for cell in content["cells"] for _ in range(2)]
    path.write_text(json.dumps(content), encoding="utf-8")
    submission = read_submission(LAB, "ada", folder)
    assert submission.arrangement.runnable(LAB.notebook) == RIGHT


def test_what_is_packed_is_read_elsewhere_as_here(tmp_path):
    folder = hand_in(tmp_path / "in", "ada", edit=lambda notebook: notebook.cells.pop(1))
    (folder / "artefact" / "deep").mkdir(parents=True)
    (folder / "artefact" / "deep" / "weights.bin").write_bytes(bytes(range(256)))
    (folder / "link.py").symlink_to(folder / "slope.py")
    handed_in = pack(LAB, "ada", folder)
    (tmp_path / "there").mkdir()
    here, there = read_submission(LAB, "ada", folder), unpack(LAB, handed_in, tmp_path / "there")
    assert (there.notes, there.flags, there.arrangement) == (here.notes, here.flags, here.arrangement)
    assert "link.py is a link or no regular file: it was left out." in there.notes
    assert list(there.own) == list(here.own) and "link.py" not in there.own
    assert {n: p.read_bytes() for n, p in there.files.items()} == {
        n: p.read_bytes() for n, p in here.files.items()
    }


def test_the_digest_is_of_names_contents_and_what_was_left_out(tmp_path):
    folder = hand_in(tmp_path, "ada")
    digests = [pack(LAB, "ada", folder).digest, pack(LAB, "ada", folder).digest]
    (folder / "timestamp.txt").write_text("2026-03-01 12:00:00 UTC")
    assert digests[0] == digests[1] == pack(LAB, "ada", folder).digest  # lateness is nbgrader's business
    for change in (
        lambda: (folder / "slope.py").rename(folder / "other.py"),
        lambda: (folder / "other.py").write_text("x = 1"),
        lambda: (folder / "link.py").symlink_to(folder),
    ):
        change()
        digests.append(pack(LAB, "ada", folder).digest)
    assert len(set(digests)) == 4
