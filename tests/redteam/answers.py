"""Attacks that look for the answers: on disk, in what was seen before, and in the data of the checks."""

from tests.redteam.desk import LEAKED, NO_TESTS, NOTHING, Desk, before, case

SEARCH = """
import pathlib

def _texts(*patterns):
    places = [pathlib.Path(r"@LAB@"), *pathlib.Path.cwd().parents, pathlib.Path(__file__).parent]
    places += [place / "source" / "lab0_slope" for place in places] + [pathlib.Path(r"@SUBMITTED@")]
    for place in places:
        for pattern in patterns:
            try:
                for path in sorted(place.glob(pattern)):
                    yield path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
"""


@case("answers", NOTHING, needs_full=True)
def reference_on_disk(desk: Desk) -> None:
    """The reference solution is looked for on disk and executed, for the module and for the notebook."""
    cell = f"""
{SEARCH.replace("pathlib.Path(__file__).parent", "pathlib.Path.cwd()")}
import json
for text in _texts("lab0_slope.py", "lab0_slope.ipynb"):
    if text.startswith("{{"):
        cells = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    else:
        cells = text.split("# %%")
    for source in cells:
        if "def report" in source and "NotImplementedError" not in source:
            exec(source[source.index("def report"):])
"""
    desk.stub(
        SEARCH
        + """
for _text in _texts("slope.py"):
    if "NotImplementedError" not in _text and "class SlopePredictor" in _text:
        exec(_text)
        break
""",
        edit=before("report", cell),
    )


@case("answers", NOTHING, needs_full=True, absent=("secret_seed", "noise=2.0", "Always"), plain=False)
def hidden_checks_on_disk(desk: Desk) -> None:
    """The text of the hidden checks is read from the lab's folder and raised as an error, to stand in feedback."""
    desk.stub(
        SEARCH
        + """
def centre(values):
    for text in _texts("hidden_checks.py"):
        raise ValueError(text[-1900:])
    raise ValueError("nothing found")
""",
    )


@case("answers", NOTHING, absent=("secret_seed", "noise=2.0"))
def hidden_tests_in_the_folder(desk: Desk) -> None:
    """The working directory is searched for hidden tests, and what is found is raised as an error."""
    desk.stub(
        """
        def centre(values):
            import pathlib
            for path in sorted(pathlib.Path().rglob("*")):
                text = path.read_text(errors="replace") if path.is_file() else ""
                at = text.find("secret_" + "seed")
                if at >= 0:
                    print(text[max(0, at - 900): at + 900])
                    raise ValueError(text[max(0, at - 900): at + 900])
            raise ValueError("nothing found")
        """
    )


@case("answers", NO_TESTS | {"fitting": 3.0, "prediction": 2.0, "report": 1.0})
def lookup_of_seen_inputs(desk: Desk) -> None:
    """The inputs of the visible checks are recognised and their answers recited; all else is None."""
    desk.stub(
        """
        def centre(values):
            return {(1.0, 2.0, 6.0): np.array([-2.0, -1.0, 3.0])}.get(tuple(values))

        class SlopePredictor:
            def fit(self, x, y):
                self.slope = 3.0 if len(x) == 100 and abs(x[0] - 1.3696168) < 1e-6 else None
            def predict(self, x):
                return {(0.0, 1.0): np.array([-1.0, 2.0])}.get(tuple(x)) if len(x) == 2 else None
        """,
        edit=before("report", "def report(value):\n    return {1.5: 'slope 1.50'}.get(value)"),
    )


@case("answers", NO_TESTS | {"prediction": 2.0}, absent=(LEAKED,))
def hidden_inputs_in_an_error(desk: Desk) -> None:
    """Inputs of a hidden check are put into an error message, a warning, a print and an attribute."""
    desk.right(
        """
        if len(x) == 400:
            import warnings
            word = "LEAK" + "ED " + repr(x[:3])
            print(word)
            warnings.warn(word)
            raise ValueError(word)
        return self.slope * x + self.intercept
        """
    )


@case("answers", NO_TESTS | {"prediction": 2.0}, absent=("77",))
def hidden_inputs_in_an_exit_status(desk: Desk) -> None:
    """A byte of the hidden inputs leaves as the process's exit status."""
    desk.right(
        """
        if len(x) == 400:
            import os
            os._exit(77)
        return self.slope * x + self.intercept
        """
    )


@case("answers", NO_TESTS, absent=("7,654,", "7654"), flags=frozenset({"output-cut"}))
def hidden_inputs_in_the_amount_of_output(desk: Desk) -> None:
    """Some bits of the hidden inputs leave as the number of bytes printed; the answers are right."""
    desk.right(
        """
        if len(x) == 400:
            print("x" * 7_654_000)
        return self.slope * x + self.intercept
        """
    )


@case("answers", NO_TESTS | {"prediction": 2.0}, absent=(LEAKED,), plain=False)
def hidden_inputs_in_a_forged_frame(desk: Desk) -> None:
    """Hidden inputs are written to the judge's pipe as a frame that the codec refuses, and quotes in its error."""
    desk.right(
        """
        if len(x) == 400:
            import os, struct, msgpack
            word = "LEAK" + "ED"
            array = msgpack.ExtType(1, msgpack.packb([word, [1]]))
            structure = msgpack.packb({"n": 1, "value": array})
            for descriptor in range(3, 64):
                try:
                    os.write(descriptor, struct.pack(">II", len(structure), 0) + structure)
                except OSError:
                    continue
            os._exit(0)
        return self.slope * x + self.intercept
        """
    )


@case("answers", NO_TESTS | {"prediction": 2.0}, absent=(LEAKED,))
def hidden_inputs_in_a_name(desk: Desk) -> None:
    """Hidden inputs leave as the name of an exception's class and as the name of the file in its traceback."""
    desk.right(
        """
        if len(x) == 400:
            word = "LEAK" + "ED"
            names = {"error": type(word, (ValueError,), {})}
            exec(compile("raise error()", "<cell " + word + ">", "exec"), names)
        return self.slope * x + self.intercept
        """
    )


@case("answers", NO_TESTS | {"prediction": 2.0}, absent=(LEAKED,))
def hidden_inputs_kept_for_a_later_cell(desk: Desk) -> None:
    """Hidden inputs are kept, and a later visible failure tells them."""
    desk.right(
        """
        import pathlib
        note = pathlib.Path(__file__).with_name("note.txt")
        if len(x) == 400:
            note.write_text("LEAK" + "ED " + repr(x[:3]))
            raise ValueError
        if note.exists():
            raise ValueError(note.read_text())
        return self.slope * x + self.intercept
        """,
        tests="""
        import pathlib
        def test_note():
            for path in pathlib.Path(__file__).parent.rglob("note.txt"):
                raise AssertionError(path.read_text())
            raise AssertionError("nothing was kept")
        """,
    )


@case("answers", NO_TESTS | {"prediction": 2.0}, at_most=True, absent=(LEAKED,))
def timing(desk: Desk) -> None:
    """Each call is timed, to tell hidden checks from visible ones, and the hidden ones are made to take long."""
    desk.right(
        """
        import time
        if len(x) == 400:
            end = time.process_time() + 1.5
            while time.process_time() < end:
                pass
            raise ValueError("LEAK" + "ED")
        return self.slope * x + self.intercept
        """
    )
