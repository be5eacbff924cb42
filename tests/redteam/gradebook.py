"""Attacks on what has been graded already."""

from tests.redteam.desk import NOTHING, Desk, case

WRITE_GRADES = """
import pathlib, sqlite3

def _write_grades():
    for place in (pathlib.Path(r"@OUT@"), *pathlib.Path.cwd().parents):
        if (place / "gradebook.db").is_file():
            with sqlite3.connect(place / "gradebook.db", timeout=2) as database:
                mine = (
                    "select n.id from submitted_notebook n join submitted_assignment a on n.assignment_id = a.id "
                    "where a.student_id like '%gradebook%'"
                )
                best = "(select max_score from grade_cells c where c.id = grade.cell_id)"
                database.execute("update grade set manual_score = 0, auto_score = 0")
                best = f"manual_score = {best}, auto_score = {best}"
                database.execute(f"update grade set {best} where notebook_id in ({mine})")

try:
    _write_grades()
except Exception as error:
    print(error)
"""


@case("gradebook", NOTHING, needs_full=True)
def gradebook_written(desk: Desk) -> None:
    """The gradebook's SQLite file is found and written: full marks for itself, nothing for the others."""
    desk.stub(WRITE_GRADES)


@case("gradebook", NOTHING, needs_full=True, plain=False)
def gradebook_removed(desk: Desk) -> None:
    """Gradebook, table of grades and feedback are deleted and overwritten."""
    desk.stub(
        """
        import pathlib
        for _name in ("grades.csv", "gradebook.db", "report.html", "nbgrader_config.py", "feedback", "state"):
            _path = pathlib.Path(r"@OUT@", _name)
            try:
                for _one in [*_path.rglob("*"), _path]:
                    if _one.is_file():
                        _one.write_text("student,lab,score\\n")
                        _one.unlink()
            except OSError as error:
                print(error)
        """
    )


def _earlier(desk: Desk) -> None:
    desk.right()


@case("gradebook", NOTHING, earlier=_earlier)
def test_cells_deleted_after_full_marks(desk: Desk) -> None:
    """After an earlier hand-in with full marks, an empty one without test cells is handed in: stale grades."""

    def edit(notebook):
        notebook.cells = [c for c in notebook.cells if not c.metadata.get("nbgrader", {}).get("grade")]

    desk.stub(edit=edit)


@case("gradebook", NOTHING, earlier=_earlier, flags=frozenset({"no-notebook"}))
def nothing_but_a_note_after_full_marks(desk: Desk) -> None:
    """After an earlier hand-in with full marks, a folder with nothing of the lab in it is handed in."""
    desk.file("notes.py", "pass\n")
