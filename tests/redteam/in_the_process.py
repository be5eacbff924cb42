"""Attacks on the process that runs the tests, where there is only one: none of it exists for our judge."""

from tests.redteam.desk import NO_TESTS, NOTHING, RIGHT, Desk, before, case

ALWAYS = """
class Always:
    def _self(self, *args, **kwargs): return self
    def _true(self, *args, **kwargs): return True
    __call__ = __getattr__ = __getitem__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = _self
    __rmul__ = __pow__ = __truediv__ = _self
    __eq__ = __le__ = __ge__ = __lt__ = __gt__ = __bool__ = _true
    __hash__ = object.__hash__
    def __float__(self): return 0.0
    def __len__(self): return 1

def centre(values): return Always()

class SlopePredictor:
    slope = Always()
    def fit(self, x, y): return self
    def predict(self, x): return Always()
"""


@case("in the process", NOTHING)
def skip_execution(desk: Desk) -> None:
    """Locked test cells carry the tag skip-execution, so that nbclient leaves them out: no output, no error."""

    def edit(notebook):
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("grade"):
                cell.metadata.tags = ["skip-execution"]

    desk.stub(edit=edit)


@case("in the process", NOTHING)
def displayhook(desk: Desk) -> None:
    """The solution calls the kernel's displayhook: the first result of a test cell is taken as partial credit."""
    desk.stub(
        """
        def _claim(points):
            from IPython import get_ipython
            get_ipython().displayhook(points)

        def centre(values):
            _claim(4.0)

        class SlopePredictor:
            def __init__(self):
                _claim(4.0)
        """,
        edit=before("report", "def report(value):\n    get_ipython().displayhook(2.0)"),
    )


@case("in the process", NOTHING)
def run_code_replaced(desk: Desk) -> None:
    """The shell's run_code is replaced by one that runs nothing."""
    desk.stub(
        """
        from IPython import get_ipython
        async def _nothing(*args, **kwargs):
            return False
        get_ipython().run_code = _nothing
        """
    )


@case("in the process", NOTHING)
def session_send_replaced(desk: Desk) -> None:
    """The kernel's session drops errors and results on their way out."""
    desk.stub(
        """
        from IPython import get_ipython
        _session = get_ipython().kernel.session
        _send = _session.send
        def _quiet(stream, message, content=None, *args, **kwargs):
            kind = message.get("msg_type") if isinstance(message, dict) else message
            if kind in ("error", "execute_result"):
                return None
            if kind == "execute_reply":
                content = {"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []}
            return _send(stream, message, content, *args, **kwargs)
        _session.send = _quiet
        """
    )


@case("in the process", NOTHING)
def input_transformer(desk: Desk) -> None:
    """An input transformer replaces each later cell by nothing."""
    desk.stub(
        """
        from IPython import get_ipython
        get_ipython().input_transformers_cleanup.append(lambda lines: ["pass\\n"])
        """
    )


@case("in the process", NOTHING, absent=("secret_seed", "noise=2.0"))
def pre_run_hook(desk: Desk) -> None:
    """An IPython hook prints each cell before it runs, hidden tests included."""
    desk.stub(
        """
        from IPython import get_ipython
        get_ipython().events.register("pre_run_cell", lambda info: print(info.raw_cell))
        """
    )


@case("in the process", NOTHING)
def numpy_patched(desk: Desk) -> None:
    """Numpy is patched so that every error is 0, and results compare as equal to anything."""
    desk.stub(
        ALWAYS
        + """
np.asarray = lambda value, *args, **kwargs: value
np.sqrt = np.mean = lambda *args, **kwargs: 0.0
np.testing.assert_allclose = lambda *args, **kwargs: None
"""
    )


@case("in the process", NOTHING)
def pytest_patched(desk: Desk) -> None:
    """pytest.approx and pytest.raises are replaced by ones that agree with everything."""
    desk.stub(
        ALWAYS
        + """
import contextlib, pytest
pytest.approx = lambda *args, **kwargs: Always()
pytest.raises = lambda *args, **kwargs: contextlib.suppress(BaseException)
"""
    )


@case("in the process", NOTHING)
def builtins_patched(desk: Desk) -> None:
    """The builtin round gives two points to everybody."""
    desk.stub("import builtins\nbuiltins.round = lambda *args: 2")


@case("in the process", NOTHING)
def frames_and_garbage(desk: Desk) -> None:
    """Frames of callers and all objects alive are searched for verdicts, which are set to passed."""
    desk.stub(
        """
        def _meddle():
            import gc, sys
            frame = sys._getframe()
            while frame:
                if "weigh" in frame.f_globals:
                    frame.f_globals["weigh"] = lambda calls: (1, 1)
                frame = frame.f_back
            for thing in gc.get_objects():
                if type(thing).__name__ in ("CheckResult", "Margin", "OwnTests", "_Recorder"):
                    object.__setattr__(thing, "passed", True)
            return []

        def centre(values): return _meddle()

        class SlopePredictor:
            slope = property(lambda self: _meddle())
            def fit(self, x, y): return _meddle()
            def predict(self, x): return _meddle()
        """
    )


@case("in the process", NO_TESTS)
def trace_function(desk: Desk) -> None:
    """A trace function changes what other code returns to it, for the rest of the process; the answers are right."""
    desk.right(
        """
        import sys, threading
        def tracer(frame, event, argument):
            frame.f_trace_lines = False
            return tracer
        sys.settrace(tracer)
        threading.settrace(tracer)
        return self.slope * x + self.intercept
        """
    )


@case("in the process", RIGHT)
def names_of_the_worker(desk: Desk) -> None:
    """The student's own names are those of the worker's modules and operations; the work is right."""
    desk.right(
        append="""
        answer = load = call = get = replace = Reference = Workspace = None
        class Student: pass
        """,
        edit=before("report", "answer = names = workspace = serve = requests = answers = None"),
    )
