"""What an instructor sees while a class is graded: a live table on a terminal, a few lines elsewhere."""

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from autograder.results.grades_csv import Row

_LAST = 8  # finished submissions that stay in sight
_WHOLE = 60  # a class up to this size is shown whole at the end


def printable(text: str) -> str:
    """Return a text without characters that a terminal obeys: students' folders may have any name."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


class Progress:
    """Is told what goes on while a class is graded; this one shows nothing."""

    def begin(self, total: int) -> None:
        """Begin with a class of ``total`` submissions."""

    def running(self, students: Sequence[str]) -> None:
        """Take note of the students who are being judged now."""

    def finished(self, row: Row, seconds: float) -> None:
        """Take note of a row and the seconds that judging took."""


class LiveTable(Progress):
    """Shows who is waiting, being graded and done.

    Parameters
    ----------
    title : str
        What is graded.
    console : rich.console.Console
        Where: a terminal gets a table that changes, a file a line at each tenth of a large class. Both end with
        the whole table of a small class.
    """

    def __init__(self, title: str, console: Console) -> None:
        self._title, self._console = title, console
        self._began = time.monotonic()
        self._total = 0
        self._running: dict[str, float] = {}
        self._rows: list[tuple[Row, float]] = []
        self._live = Live(self, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> "LiveTable":
        """Return itself; the ``with`` block ends with the final table."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Print the final table, unless nothing came of it."""
        self._live.stop()
        if kind is None and self._total <= _WHOLE:
            self._console.print(self._table(sorted(self._rows, key=lambda entry: entry[0]["student"])))

    def begin(self, total: int) -> None:
        """Show a class whose submissions all wait."""
        self._total = total
        if self._console.is_terminal:
            self._live.start()

    def running(self, students: Sequence[str]) -> None:
        """Show who is being judged, and since when."""
        now = time.monotonic()
        self._running = {student: self._running.get(student, now) for student in students}

    def finished(self, row: Row, seconds: float) -> None:
        """Show a row."""
        self._running.pop(row["student"], None)
        self._rows.append((row, seconds))
        n, step = len(self._rows), self._total // 10
        if not self._console.is_terminal and self._total > _WHOLE and (n % step == 0 or n == self._total):
            self._console.print(f"{self._title}: {self._count()}", highlight=False)

    def __rich__(self) -> Group:
        """Return what a terminal shows now."""
        table = self._table(self._rows[-_LAST:])
        now = time.monotonic()
        for student, since in self._running.items():
            table.add_row(
                escape(printable(student)), "", "being graded", "", f"{now - since:.0f}", style="bold"
            )
        waiting = self._total - len(self._rows) - len(self._running)
        if waiting > 0:
            table.add_row(f"{waiting} more", "", "waiting", "", "", style="dim")
        return Group(table, ProgressBar(self._total, len(self._rows), width=40), f" {self._count()}")

    def _table(self, entries: Sequence[tuple[Row, float]]) -> Table:
        table = Table(title=self._title)
        for column in ("Student", "Score", "Status", "Flags", "Seconds"):
            table.add_column(column, justify="right" if column in ("Score", "Seconds") else "left")
        for row, seconds in entries:
            score = f"{row['score']} / {row['max_score']}" if row["score"] else "-"
            style = "red" if row["status"] == "not-graded" else None
            cells = (row["student"], score, row["status"], row["flags"], f"{seconds:.1f}")
            table.add_row(*(escape(printable(cell)) for cell in cells), style=style)
        return table

    def _count(self) -> str:
        failed = sum(row["status"] == "not-graded" for row, _ in self._rows)
        text = f"{len(self._rows)} of {self._total} done in {time.monotonic() - self._began:.0f} s"
        return text + (f", {failed} not graded" if failed else "")
