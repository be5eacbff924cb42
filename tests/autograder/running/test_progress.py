"""What is shown while a class is graded."""

import io

import pytest
from rich.console import Console

from autograder.running.progress import LiveTable


def row(student: str, score: str = "3", status: str = "graded") -> dict[str, str]:
    return {"student": student, "score": score, "max_score": "12", "status": status, "flags": ""}


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, height=40, color_system=None)


def look(table: LiveTable) -> str:
    """Return what a terminal shows at this moment."""
    still = console(False)
    still.print(table)
    return still.file.getvalue()


def test_a_terminal_shows_who_waits_who_is_graded_and_who_is_done():
    screen = console(True)
    with LiveTable("Lab 0", screen) as table:
        table.begin(100)
        for n in range(30):
            table.finished(row(f"early{n}"), 1.0)
        table.finished(row("[b]odd", score="", status="not-graded"), 0.0)
        table.running(["ada", "bob"])
        shown = look(table)
    assert [line.count("being graded") for line in shown.splitlines() if "ada" in line or "bob" in line] == [
        1,
        1,
    ]
    assert "early29" in shown and "early0 " not in shown  # the last few
    assert "67 more" in shown and "31 of 100 done" in shown and "1 not graded" in shown
    assert "[b]odd" in shown


def test_who_is_done_is_no_longer_being_graded():
    screen = console(True)
    with LiveTable("Lab 0", screen) as table:
        table.begin(1)
        table.running(["ada"])
        table.finished(row("ada"), 1.0)
        shown = look(table)
    assert "being graded" not in shown and "1 of 1 done" in shown
    assert "3 / 12" in screen.file.getvalue()


@pytest.mark.parametrize("n", [1, 60, 200])
def test_a_file_gets_few_lines(n):
    screen = console(False)
    with LiveTable("Lab 0", screen) as table:
        table.begin(n)
        for i in range(n):
            table.running([f"student{i:03d}"])
            table.finished(row(f"student{i:03d}"), 1.0)
        before_the_end = screen.file.getvalue()
    shown = screen.file.getvalue()
    if n <= 60:
        assert before_the_end == "" and all(f"student{i:03d}" in shown for i in range(n))
    else:
        assert shown.splitlines() == before_the_end.splitlines() and len(shown.splitlines()) == 10
        assert "Lab 0: 200 of 200 done" in shown.splitlines()[-1]


def test_an_error_leaves_no_table():
    screen = console(False)
    with pytest.raises(OSError), LiveTable("Lab 0", screen) as table:
        table.begin(2)
        table.finished(row("ada"), 1.0)
        raise OSError
    assert screen.file.getvalue() == ""
