"""Text that students choose, where a program reads it: pages, terminals, spreadsheets, file names."""

from tests.redteam.desk import RIGHT, Desk, before, case

NO_REPORT = RIGHT | {"report": 0.0}


def _raising(text: str):
    """Return an edit after which ``report`` raises an error with this text."""
    return before("report", f"def report(value):\n    raise ValueError({text!r})")


@case("words", NO_REPORT, markup=("<script>red", "<img src=red", "<svg onload"))
def script_in_an_error(desk: Desk) -> None:
    """Error messages hold HTML, scripts, and the ends of whatever they may stand in."""
    text = "</pre></code></script>--><script>red()</script><img src=red onerror=red()>'\"<svg onload=red()>{{ 7 * 7 }}"
    desk.right(edit=_raising(text))


@case("words", NO_REPORT)
def terminal_codes(desk: Desk) -> None:
    """Error messages and prints hold terminal codes, rich's markup, nulls and marks of direction."""
    text = "\x1b]0;red\x07\x1b[2J\x1b[31mred\x1b[0m [bold red]x[/] [link=file:///etc]y[/link] \x00\x08\u202e\u2066\r\n"
    desk.right(append=f"print({text!r})", edit=_raising(text))


@case("words", NO_REPORT)
def spreadsheet_formula_in_an_error(desk: Desk) -> None:
    """Error messages begin like formulas of a spreadsheet, with commas, quotes and line ends."""
    desk.right(edit=_raising('=HYPERLINK("red"),\'"\n@SUM(1)\n+1\n-1\t\r\nred,red,100,100,graded,\n'))


@case("words", NO_REPORT)
def megabytes_of_error(desk: Desk) -> None:
    """An error message has 30 MB, and its traceback a line of 500 kB."""
    desk.right(
        edit=before(
            "report", f"def report(value):\n    raise ValueError('x' * 30_000_000)  # {'y' * 500_000}"
        )
    )


@case("words", RIGHT, student='=HYPERLINK("red")')
def name_is_a_formula(desk: Desk) -> None:
    """The student's folder is called like a formula of a spreadsheet."""
    desk.right()


@case("words", RIGHT, student="<img src=red onerror=red()>&amp;", markup=("<img src=red",))
def name_is_html(desk: Desk) -> None:
    """The student's folder is called like a tag of HTML."""
    desk.right()


@case("words", RIGHT, student="x' OR '1'='1'; drop table grade; --")
def name_is_sql(desk: Desk) -> None:
    """The student's folder is called like a statement of SQL."""
    desk.right()


@case("words", RIGHT, student='Анна "Ann" O’Brien-Müller 李 🦊')
def name_has_blanks_and_quotes(desk: Desk) -> None:
    """The student's name has blanks, quotes, and letters of four scripts."""
    desk.right()


@case("words", RIGHT, student="red\x1b[31m,[bold]\n100,\ttab")
def name_has_line_ends(desk: Desk) -> None:
    """The student's folder has a line end, a comma, a tab, markup and a terminal code in its name."""
    desk.right()


@case("words", RIGHT, student="%2e%2e%2f $(touch red) `touch red` ;&|*?")
def name_is_a_command(desk: Desk) -> None:
    """The student's folder is called like a command of the shell, a pattern and an encoded path."""
    desk.right()


@case("words", RIGHT, student="n" * 250)
def name_is_long(desk: Desk) -> None:
    """The student's folder has the longest name that a file system takes."""
    desk.right()
