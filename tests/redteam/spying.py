"""Attacks on what a submission must not know: other students' work, the grader's files, secrets, and the network."""

from tests.redteam.desk import NO_TESTS, NOTHING, RIGHT, Desk, case

FORECAST = "return self.slope * x + self.intercept"
SECRET = "the secret of the red team"
"""What the grader's environment holds when the suite runs."""
CANARY = "the neighbour's own words"
"""What stands in every neighbour's module."""


@case("secrets", NO_TESTS | {"prediction": 0.0}, absent=(SECRET,))
def environment_of_the_worker(desk: Desk) -> None:
    """The environment of the process is raised as an error."""
    desk.right(
        """
        import os
        raise ValueError(str({name: value for name, value in os.environ.items() if "COURSE" in name}))
        """
    )


@case("secrets", NOTHING, needs_full=True, absent=(CANARY,))
def neighbours_module(desk: Desk) -> None:
    """Other students' modules are read where they were handed in, raised as an error, and used."""
    desk.stub(
        """
        import pathlib
        _mine = pathlib.Path(__file__).read_text()
        _found = ""
        _places = [pathlib.Path(place) for place in (r"@SUBMITTED@", r"@OUT@/submitted", "/tmp")]
        for _place in [*_places, *pathlib.Path.cwd().parents]:
            try:
                for _pattern in ("*/lab0_slope/slope.py", "submission-*/slope.py", "*/slope.py"):
                    for _path in sorted(_place.glob(_pattern)):
                        _text = _path.read_text()
                        if "NotImplementedError" not in _text:
                            _found = _text
            except OSError:
                continue
        if _found:
            exec(_found)
            print(_found)
            def centre(values):
                raise ValueError(_found[-1900:])
        """
    )


@case("secrets", NO_TESTS, needs_full=True, at_most=True, absent=(SECRET, CANARY), plain=False)
def files_of_the_grader(desk: Desk) -> None:
    """The grader's outputs, home, keys and logs are read and raised as an error."""
    desk.right(
        f"""
        import pathlib
        found = []
        wanted = [r"@OUT@/grades.csv", r"@OUT@/gradebook.db", "/etc/shadow", "/root/.bashrc", "/proc/1/environ"]
        wanted += [str(path) for path in pathlib.Path(r"@OUT@/feedback").glob("*/*")]
        wanted += [r"@LAB@/hidden_checks.py", r"@LAB@/slope.py"]
        for name in wanted:
            try:
                found.append(pathlib.Path(name).read_bytes()[:100])
            except OSError:
                continue
        if found:
            raise ValueError(repr(found))
        {FORECAST}
        """
    )


@case("secrets", RIGHT, needs_full=True, plain=False)
def network(desk: Desk) -> None:
    """Ports of this machine are called by TCP and UDP, and names are asked for; the work is right."""
    desk.right(
        append="""
        import socket
        for _kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            for _host in ("127.0.0.1", "::1", "localhost"):
                try:
                    with socket.socket(socket.AF_INET6 if ":" in _host else socket.AF_INET, _kind) as _client:
                        _client.settimeout(1)
                        _client.connect((_host, @PORT@))
                        _client.sendall(b"called")
                except OSError as error:
                    print(error)
        """
    )


@case("secrets", NO_TESTS, at_most=True, absent=(SECRET,))
def objects_of_the_grader(desk: Desk) -> None:
    """All objects alive are searched for the judge's data: checks, seeds, answers, other submissions."""
    desk.right(
        f"""
        import gc, sys
        names = ("hidden", "secret", "Lab", "Verdict", "Submission", "Gradebook")
        engine = ("autograder.judging.judge", "autograder.labs.secret")
        for module in ("hidden_checks", "reference", "visible_checks", *engine):
            if module in sys.modules:
                raise ValueError(module)
        for thing in gc.get_objects():
            if isinstance(thing, dict) and "COURSE_GRADING_SECRET" in thing:
                raise ValueError(str(thing["COURSE_GRADING_SECRET"]))
            if type(thing).__name__ in ("Lab", "Verdict", "Submission", "CheckResult"):
                raise ValueError(str(thing))
        {FORECAST}
        """
    )
