"""The pipe between judge and submission, with real processes: what comes back, and what cannot get through."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from autograder.judging.remote_workspace import ObjectLost, RemoteWorkspace, TimedOut, WorkerDied
from autograder.labs.definition import Limits
from labkit.student import LocalEndpoint, Student, StudentError
from labkit.workspace import Reference, Workspace

MODULE = """
import collections, os, random, sys, time, warnings
import numpy as np

State = collections.namedtuple("State", "a b")

class Model:
    def __init__(self, width=2):
        self.width = width
        self.history = [0.5, np.float32(0.25)]
    def fit(self, X, y=None):
        X -= X.mean()
        self.total = float(X.sum())
        return self
    def predict(self, X):
        return X[:, 0] * self.width
    @classmethod
    def load(cls, path):
        model = cls()
        with open(path + "/width") as file:
            model.width = int(file.read())
        return model
    def save(self, path):
        os.makedirs(path)
        with open(path + "/width", "w") as file:
            file.write(str(self.width))

def many():
    return {"tuple": (1, 2), "named": State(1, b"x"), "numpy": np.int8(3), "keys": {"a": 1}.keys(),
            "text": np.array(["a", "b"]), "nested": [np.arange(2), {"none": None}], "range": range(3)}
def models(): return [Model(1), Model(2)]
def odd(): return {1: 2}
def echo(value): return value
def loop():
    while True: pass
def stubborn():
    while True:
        try: loop()
        except BaseException: pass
def sleep(seconds): time.sleep(seconds)
def leave(): os._exit(3)
def polite(): sys.exit("bye")
def noisy():
    print("out"); print("err", file=sys.stderr); warnings.warn("careful"); os.write(1, b"raw"); return 1
def flood():
    for _ in range(300): print("x" * 10_000)
def draw(): return [random.random(), float(np.random.rand())]
def wrong(X): raise KeyError("missing " + str(X))
class Bad(Exception):
    def __str__(self): raise RuntimeError
def bad(): raise Bad
def hoard():
    blocks = []
    while len(blocks) < 40: blocks.append(bytearray(b"x") * 10**8)
def deep():
    x = []
    for _ in range(100): x = [x]
    return x
def environment(): return dict(os.environ)
def child():
    import subprocess
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"]).pid
def close_all():
    sys.stdout.close(); sys.stderr.close(); return 5
def forge():
    for fd in range(3, 10):
        try: os.write(fd, b"\\0\\0\\0\\1\\0\\0\\0\\0\\xc0")
        except OSError: pass
    return 1
def torn():
    for fd in range(3, 10):
        try: os.write(fd, b"\\xff" * 20)
        except OSError: pass
    return 1
"""
LIMITS = Limits(
    call_cpu_seconds=1, call_wall_seconds=30, submission_seconds=100, memory_gb=1, output_bytes=10_000
)


def remote(tmp_path: Path, cells=(), module: str = MODULE, limits: Limits = LIMITS) -> RemoteWorkspace:
    (tmp_path / "work.py").write_text(module)
    return RemoteWorkspace({"work.py": tmp_path / "work.py"}, "work", list(cells), limits)


@pytest.fixture
def workspace(tmp_path):
    with remote(tmp_path) as workspace:
        yield workspace


@pytest.fixture
def student(workspace):
    return Student(workspace, MODULE)


@pytest.fixture(params=["notebook", "grader"])
def either(request, tmp_path):
    """The same submission in this process, as `check` sees it, and behind the pipe."""
    if request.param == "grader":
        with remote(tmp_path) as workspace:
            yield Student(workspace, MODULE)
    else:
        (tmp_path / "work.py").write_text(MODULE)
        path = list(sys.path)
        yield Student(LocalEndpoint(Workspace(tmp_path, "work")), MODULE)
        sys.path[:] = path


def loaded(student: Student) -> Student:
    if isinstance(student._endpoint, LocalEndpoint):
        student._endpoint._workspace.answer("load", {})
    return student


def test_results_are_the_same_plain_data_in_the_notebook_and_in_the_grader(either):
    result = loaded(either).many()
    assert [type(a).__name__ for a in result.pop("nested")] == ["ndarray", "dict"]
    assert result == {
        "tuple": [1, 2],
        "named": [1, b"x"],
        "numpy": 3,
        "keys": ["a"],
        "text": ["a", "b"],
        "range": [0, 1, 2],
    }


def test_objects_stay_behind_handles(either):
    student = loaded(either)
    model = student.Model(width=3)
    X = np.arange(4.0).reshape(2, 2)
    assert model.fit(X) == model != student.Model()
    np.testing.assert_array_equal(X, np.arange(4.0).reshape(2, 2))  # fit changed its own copy
    np.testing.assert_array_equal(model.predict(X), [0, 6])
    assert (model.width, model.history, model.total) == (3, [0.5, 0.25], 0.0)
    assert [m.width for m in student.models()] == [1, 2]
    assert student.echo({"in": [model]})["in"][0] == model
    assert "of the submission" in repr(model)


def test_what_has_no_plain_form_is_a_handle(student):
    assert student.odd().get(1) == 2
    depth, value = 0, student.deep()
    while isinstance(value, list):
        depth, value = depth + 1, value[0]
    assert depth == 16


def test_files_are_exchanged_under_the_students_folder(either):
    student = loaded(either)
    student.Model(7).save(f"{student.tmp_path}/model")
    assert student.list_files() == ["model/width"]
    assert student.read_file("model/width") == b"7"
    student.write_file("other/width", b"9")
    assert student.Model.load(student.path("other")).width == 9


def test_exceptions_arrive_with_type_message_and_the_students_own_lines(either):
    with pytest.raises(StudentError) as caught:
        loaded(either).wrong(1)
    error = caught.value
    assert (error.kind, error.message) == ("KeyError", "'missing 1'")
    assert error.is_a(LookupError) and not error.is_a(ValueError)
    assert 'raise KeyError("missing " + str(X))' in error.traceback
    assert "workspace.py" not in error.traceback
    assert str(error) == "wrong raised KeyError: 'missing 1'"


def test_raises_passes_for_the_right_exception_only(either):
    student = loaded(either)
    with student.raises(LookupError, match="missing"):
        student.wrong(1)
    with pytest.raises(AssertionError, match="does not match"), student.raises(KeyError, match="other"):
        student.wrong(1)
    with pytest.raises(AssertionError, match="no ValueError was raised"), student.raises(ValueError):
        student.echo(1)
    with pytest.raises(StudentError, match="KeyError"), student.raises(ValueError):
        student.wrong(1)


def test_missing_names_and_odd_exceptions(student):
    with pytest.raises(StudentError, match=r"work\.py does not define 'nothing'"):
        student.nothing()
    with pytest.raises(StudentError, match="NotImplementedError: the notebook does not define 'answers'"):
        student.notebook.answers()
    with pytest.raises(StudentError, match="cannot be shown"):
        student.bad()
    with pytest.raises(StudentError, match="SystemExit: bye"):
        student.polite()
    assert student.echo(1) == 1


def test_a_check_cannot_send_what_is_not_plain(student):
    with pytest.raises(TypeError, match="plain data"):
        student.echo(object())


def test_randomness_starts_afresh_at_each_call(student):
    assert student.draw() == student.draw()


def test_prints_go_to_the_log_and_cost_nothing(workspace, student):
    assert student.noisy() == 1
    assert student.close_all() == 5
    assert student.echo(2) == 2
    workspace.close()
    for word in ("out", "err", "careful", "raw"):
        assert word in workspace.log


def test_a_flood_of_output_is_cut(workspace, student):
    student.flood()
    assert student.echo(1) == 1
    workspace.close()
    assert workspace.printed >= 3_000_000
    assert len(workspace.log) == LIMITS.output_bytes


@pytest.mark.parametrize("name", ["loop", "stubborn"])
def test_an_endless_loop_hits_its_deadline_and_the_next_call_works(workspace, student, name):
    model = student.Model(5)
    loop = getattr(student, name)
    before = time.monotonic()
    with pytest.raises(TimedOut, match=f"{name}: no answer within 1 s of computing time"):
        loop()
    assert workspace.timed_out and time.monotonic() - before < 25
    assert student.echo(1) == 1
    if name == "loop" and os.name == "posix":  # interrupted: the process and its objects live on
        assert (model.width, workspace.lives) == (5, 1)
    else:
        with pytest.raises(ObjectLost):
            model.save("x")
    with pytest.raises(TimedOut, match=r"within 0\.25 s"):
        getattr(student, name)()


def test_a_signal_between_calls_does_nothing(workspace, student):
    if os.name != "posix":
        pytest.skip("machine: signals of POSIX")
    assert student.echo(1) == 1
    workspace._worker._process.send_signal(2)
    time.sleep(0.1)
    assert student.echo(2) == 2 and workspace.lives == 1


def test_waiting_is_limited_too(tmp_path):
    limits = Limits(1, 0.5, 40, 1, 1000)
    with remote(tmp_path, limits=limits) as workspace, pytest.raises(TimedOut, match="sleep"):
        Student(workspace, "").sleep(100)


def test_the_time_of_a_submission_is_limited(tmp_path):
    with remote(tmp_path, limits=Limits(5, 5, 1.5, 1, 1000)) as workspace:
        student = Student(workspace, "")
        with pytest.raises(TimedOut):
            student.sleep(100)
        with pytest.raises(TimedOut, match="are used up"):
            student.echo(1)


def test_objects_of_a_dead_process_are_lost_and_new_ones_work(student):
    model = student.Model(5)
    with pytest.raises(WorkerDied, match="exit status 3"):
        student.leave()
    with pytest.raises(ObjectLost, match="lost when an earlier call ended the process"):
        model.save("x")
    assert student.Model(6).width == 6


def test_memory_is_limited(tmp_path):
    with remote(tmp_path, limits=Limits(20, 30, 100, 1, 1000)) as workspace:  # filling a GB takes its time
        student = Student(workspace, "")
        with pytest.raises((StudentError, WorkerDied), match=r"MemoryError|GB of memory"):
            student.hoard()
        assert student.echo(1) == 1


def test_broken_protocol_ends_the_process(student):
    for name in ("forge", "torn"):
        with pytest.raises(WorkerDied):
            getattr(student, name)()
        assert student.echo(1) == 1


def test_a_worker_sees_no_secrets_of_the_grader(student, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_GRADING_SECRET", "hush")
    with remote(tmp_path) as workspace:
        environment = Student(workspace, "").environment()
    assert "COURSE_GRADING_SECRET" not in environment
    assert environment["OMP_NUM_THREADS"] == "1"


def test_nothing_survives_the_end(workspace, student):
    child = student.child()
    folder = Path(workspace.folder)
    assert psutil.pid_exists(child)
    workspace.close()
    deadline = time.monotonic() + 5
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
    assert not folder.exists()


def test_a_module_that_cannot_be_loaded_fails_each_call_at_once(tmp_path):
    for text, message in {"import os; os._exit(9)": "exit status 9", "def f(:": "SyntaxError"}.items():
        with remote(tmp_path, module=text) as workspace:
            student = Student(workspace, "")
            for _ in range(2):
                with pytest.raises((StudentError, WorkerDied), match=message):
                    student.f()
            assert len(workspace.endings) <= 1


def test_cells_run_once_in_order_and_failures_are_left_behind(tmp_path):
    cells = [
        ("setup", "import work\ncount = 0"),
        ("bad", "count += 1\nraise ValueError('oh')"),
        ("deadly", "import os\nos._exit(4)"),
        ("magic", "%matplotlib inline\n!ls\ncount += 10"),
        ("timed", "%%time\nanswer = work.Model(8)"),
        ("main", "def f(): return count, __name__"),
    ]
    with remote(tmp_path, cells) as workspace:
        student = Student(workspace, "")
        assert student.notebook.f() == [11, "__main__"]
        assert student.notebook.answer.width == 8
        assert student.notebook.count == 11
    assert set(workspace.cell_errors) == {"bad", "deadly"}
    assert "ValueError: oh" in workspace.cell_errors["bad"]


def test_forgotten_objects_are_let_go(workspace, student):
    for _ in range(100):
        student.Model()
    assert len(workspace.forgotten) < 40
    assert student.echo(1) == 1


def test_references_of_another_process_are_refused(workspace, student):
    student.echo(1)
    with pytest.raises(ObjectLost):
        workspace.answer("call", {"target": Reference(1, generation=99), "args": [], "kwargs": {}})


@pytest.mark.skipif(os.name != "posix", reason="machine: signals of POSIX")
def test_a_killed_worker_says_so(student):
    with pytest.raises(WorkerDied, match="exit status -9"):
        student.echo(1)
        os.kill(student._endpoint._worker._process.pid, 9)
        student.echo(1)
