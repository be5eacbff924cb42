"""Isolation: what a worker cannot do, as root and as an ordinary user, and what happens where it cannot be had."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from autograder.intake.submission import read_submission
from autograder.judging.judge import judge
from autograder.judging.remote_workspace import RemoteWorkspace
from autograder.sandbox import bubblewrap, choose, confine, container, forked, view, warmed
from autograder.sandbox.zygote import try_forking
from autograder.selftest import selftest
from autograder.worker.launch import WorkerSpec, plain_process
from labkit.student import Student, StudentError
from tests.labs.handing_in import hand_in, slope_lab

# Root's own Python may lie where others cannot go: the view opens its way for the ordinary user of these tests.
ORDINARY_USER = 4242


@pytest.fixture(scope="module")
def zygote():
    """A zygote that has imported numpy."""
    skip_without("full")
    with forked.start(["numpy", "numpy.random"], "full") as running:
        yield running


def skip_without(walls: str) -> None:
    if lack := forked.available(walls):
        pytest.skip(f"machine: no isolation {walls!r} ({lack})")


def workspace(launch, tmp_path: Path, module: str) -> RemoteWorkspace:
    path = tmp_path / "probe.py"
    path.write_text(module, encoding="utf-8")
    return RemoteWorkspace({"probe.py": path}, "probe", [], selftest.LIMITS, launch=launch)


def achieved(launch) -> dict[str, str]:
    return {title: what for title, what in selftest.try_escapes(launch) if what is not None}


def test_every_escape_is_stopped(zygote):
    assert achieved(zygote) == {}


def test_the_same_escapes_succeed_without_isolation():
    """An attempt that nothing stops must succeed: else the test above proves nothing."""
    doors = " ".join(achieved(plain_process))
    for words in (
        "read the solutions",
        "helper package",
        "reach a server",
        "see other",
        "earlier submission",
    ):
        assert words in doors


def test_the_kernel_alone_stops_every_escape():
    """Nothing has to be installed: without bubblewrap the zygote makes its view itself."""
    skip_without("full")
    with forked.Zygote([], by="kernel") as zygote:
        assert achieved(zygote) == {}


def test_the_kernel_alone_serves_a_lab_that_imports_much():
    """Libraries that want a cache find a place while they are preloaded, and leave no thread behind."""
    skip_without("full")
    with forked.Zygote(["matplotlib.pyplot", "joblib", "sklearn.ensemble", "torch"], by="kernel") as launch:
        assert launch.pid


def test_landlock_leaves_little_open():
    """Where the kernel gives no namespaces, its other processes can be seen, and nothing else."""
    skip_without("landlock")
    with forked.Zygote([], "landlock") as zygote:
        assert [title for title in achieved(zygote) if "see other processes" not in title] == []


def test_a_forked_worker_without_walls_is_ended_with_what_it_started():
    """Its guardian adopts even what has left family and group."""
    with forked.Zygote([], "off") as launch:
        doors = " ".join(achieved(launch))
    assert "read the solutions" in doors  # nothing isolates
    assert "outlives" not in doors and "memory than allowed" not in doors


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_worker_without_walls_is_fresh_for_each_run(start, monkeypatch, tmp_path):
    """What one run changes in shared modules is gone in the next; variables are those of its own folder."""
    monkeypatch.setenv(forked.START, start)
    change = "import numpy as np\nnp.mean = None\ndef look():\n    return np.mean is None\n"
    keep = (
        "import os, pathlib, tempfile\nimport numpy as np\n"
        "def look():\n    return np.mean is None\n"
        "def places():\n    return [os.getcwd(), os.environ['HOME'], tempfile.gettempdir()]\n"
    )
    with choose.workers("off", ["numpy"], ["numpy"]) as launch:
        assert type(launch) is {"fork": forked.Zygote, "spawn": warmed.Warmed}[start]
        with workspace(launch, tmp_path, change) as space:
            assert Student(space, "").look() is True
        with workspace(launch, tmp_path, keep) as space:
            student = Student(space, "")
            assert student.look() is False
            assert set(student.places()) == {space.folder}


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_grades_are_the_same_however_workers_start(start, monkeypatch, tmp_path):
    monkeypatch.setenv(forked.START, start)
    lab = slope_lab()
    with choose.launcher("off", lab) as launch:
        verdict = judge(lab, read_submission(lab, "ada", hand_in(tmp_path, "ada")), launch=launch)
    assert (verdict.score, verdict.isolation) == (lab.max_score, "off")


def test_a_forked_process_that_cannot_compute_is_found(monkeypatch):
    """As on systems whose libraries do not survive a fork."""
    import numpy as np

    try_forking()
    monkeypatch.setattr(np, "ones", lambda *_, **__: os._exit(9))
    with pytest.raises(OSError, match="cannot compute"):
        try_forking()


def test_pandas_is_late_where_workers_start_from_nothing():
    """And is all there for who asks for it."""
    script = (
        "from autograder.worker import lazy; lazy.install(); import sys, sklearn.base\n"
        "from labkit.workspace import to_plain\n"
        "late = type(sys.modules['scipy.stats']).__name__\n"
        "assert to_plain({1}, lambda value: 'kept') == 'kept'\n"
        "import pandas as pd\n"
        "print(late, to_plain(pd.Series([1.5, 2.5]), repr).tolist(), pd.DataFrame({'a': [1]}).shape)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.stdout == "LateModule [1.5, 2.5] (1, 1)\n", ran.stderr


def test_what_the_kernel_lacks_is_told_and_not_fatal(monkeypatch):
    """Without libseccomp all other layers hold."""
    monkeypatch.setattr(confine, "NO_SECCOMP", "no filter of system calls: libseccomp is not here")
    assert choose.warnings("full") == [
        "isolation 'full' has no filter of system calls: libseccomp is not here"
    ]
    assert any("reduced to landlock" in warning for warning in choose.warnings("landlock"))
    assert choose.warnings("off") == [choose.OFF_WARNING]


def test_full_isolation_holds_without_libseccomp(root):
    """A machine whose pyseccomp finds no library: what the filter alone would have stopped is named, the rest holds."""
    skip_without("full")
    script = (
        "import sys\nsys.modules['pyseccomp'] = None\nfrom autograder.sandbox import zygote\nzygote.main()\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forked, "COMMAND", ["-P", "-c", script])
        with forked.Zygote([], by="kernel") as running:
            open_doors = set(achieved(running))
    assert {title.partition(" ")[0] for title in open_doors} <= {"become", "use", "open", "mount"}, open_doors


@pytest.mark.parametrize("mode", ["full", "landlock"])
def test_an_ordinary_user_without_bubblewrap(mode, root):
    """As on a bare machine: the kernel does what bubblewrap would have done."""
    skip_without(mode)
    ran = self_test_as_an_ordinary_user(root, mode, {"PATH": str(Path(sys.executable).parent)})
    assert f"Isolation {mode}" in ran.stdout, ran.stdout + ran.stderr
    assert ran.stdout.count("OPEN") == (mode == "landlock")  # other processes can be seen
    assert ran.returncode == (mode == "landlock")


def test_every_escape_is_stopped_for_an_ordinary_user(zygote, root):
    """Grading as somebody who is not root: user namespaces do what root's powers did."""
    ran = self_test_as_an_ordinary_user(root, "full", {})
    assert "Isolation full" in ran.stdout, ran.stdout + ran.stderr
    assert "OPEN" not in ran.stdout
    assert ran.returncode == 0


def self_test_as_an_ordinary_user(
    root: Path, mode: str, variables: dict[str, str]
) -> subprocess.CompletedProcess:
    if os.geteuid() != 0:
        pytest.skip("the other tests run as an ordinary user already")
    if not bubblewrap.is_installed():
        pytest.skip("machine: bubblewrap is not installed, which opens root's folders for this test")
    command = [str(shutil.which("bwrap")), "--dev-bind", "/", "/"]
    for folder in (Path(sys.base_prefix), root):
        hidden = [p for p in reversed(folder.parents) if p.stat().st_mode & 0o005 != 0o005]
        for parent in [p for p in reversed(folder.parents) if hidden and p.is_relative_to(hidden[0])]:
            how = "--tmpfs" if parent == hidden[0] else "--dir"
            command += ["--perms", "0755", how, str(parent)]
        command += ["--dev-bind", str(folder), str(folder)] if hidden else []
    command += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--chdir", str(root)]
    become = [
        str(shutil.which("setpriv")),
        f"--reuid={ORDINARY_USER}",
        f"--regid={ORDINARY_USER}",
        "--clear-groups",
    ]
    environment = os.environ | {"HOME": "/nowhere", "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [*command, *become, sys.executable, "-m", "autograder.selftest.selftest", mode],
        capture_output=True,
        text=True,
        env=environment | variables,
        timeout=180,
        check=False,
    )


def test_a_submission_leaves_no_trace_in_the_next(zygote, tmp_path):
    """What one worker changes in shared modules is gone in the next."""
    change = "import numpy as np\nnp.mean = lambda values: 42.0\ndef mean(x):\n    return float(np.mean(x))\n"
    keep = "import numpy as np\ndef mean(x):\n    return float(np.mean(x))\n"
    answers = []
    for module in (change, keep):
        with workspace(zygote, tmp_path, module) as space:
            answers.append(Student(space, "").mean(np.arange(3.0)))
    assert answers == [42.0, 1.0]


def test_pools_of_processes_and_threads_work(zygote, tmp_path):
    """Joblib, multiprocessing, data loaders and temporary files are ordinary work."""
    module = """
import multiprocessing, tempfile, threading
from concurrent.futures import ThreadPoolExecutor

def double(x):
    return 2 * x

def everything():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        doubled = pool.map(double, [1, 2])
    with ThreadPoolExecutor(4) as pool:
        doubled += pool.map(double, [3])
    import joblib
    doubled += joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(-x) for x in [4])
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    return doubled

def loaded():
    import torch
    from torch.utils.data import DataLoader, TensorDataset
    torch.set_num_threads(2)
    data = TensorDataset(torch.arange(8.0))
    return sum(float(batch.sum()) for batch, in DataLoader(data, batch_size=2, num_workers=2))
"""
    with workspace(zygote, tmp_path, module) as space:
        student = Student(space, "")
        assert student.everything() == [2, 4, 6, 4]
        assert student.loaded() == 28.0


def test_limits_end_a_call_and_nothing_else(zygote, tmp_path):
    """Too much memory raises MemoryError; the next call is answered."""
    module = "import numpy as np\ndef take(n):\n    return len(np.ones(n, dtype=np.uint8))\n"
    with workspace(zygote, tmp_path, module) as space:
        student = Student(space, "")
        with pytest.raises(StudentError, match="MemoryError"):
            student.take(3 * 2**30)
        assert student.take(10) == 10


def test_a_dead_worker_says_how_it_ended(zygote, tmp_path):
    with workspace(zygote, tmp_path, "import os\ndef leave():\n    os._exit(3)\n") as space:
        with pytest.raises(Exception, match="exit status 3"):
            Student(space, "").leave()
        assert space.lives == 2


def test_nothing_survives_a_killed_grader(zygote, root, tmp_path):
    """SIGKILL of the judge ends zygote and workers, even one that loops."""
    script = tmp_path / "judge.py"
    script.write_text(
        "import sys, time\n"
        "from autograder.worker.launch import WorkerSpec\n"
        "from autograder.sandbox.forked import Zygote\n"
        "zygote = Zygote([])\n"
        "worker = zygote(WorkerSpec('/submission', 'probe', 2**32))\n"
        "print(worker.pid, zygote.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(root)}
    judging = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment
    )
    numbers = [int(word) for word in judging.stdout.readline().split()]
    assert all(psutil.pid_exists(number) for number in numbers)
    judging.send_signal(signal.SIGKILL)
    judging.wait()
    end = time.monotonic() + 10
    while any(map(psutil.pid_exists, numbers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(psutil.pid_exists, numbers))


def test_a_broken_sandbox_says_what_the_system_said(zygote, monkeypatch):
    monkeypatch.setattr(bubblewrap, "command", lambda paths: ["bwrap", "--no-such-option"])
    with pytest.raises(forked.SandboxError, match="no-such-option"):
        forked.Zygote([], by="bubblewrap")


def test_the_mode_decides_and_errors_say_what_is_missing(monkeypatch):
    lacking = {"full": lambda: "it needs Linux", "container": lambda: "neither podman nor docker"}
    lacking["landlock"] = lambda: "the kernel has none"
    monkeypatch.setattr(choose, "_FINDERS", lacking)
    assert choose.resolve("auto") == choose.resolve("off") == "off"
    with pytest.raises(choose.IsolationError, match="'full' cannot be had here: it needs Linux"):
        choose.resolve("full")
    monkeypatch.setattr(choose, "_FINDERS", lacking | {"container": lambda: ""})
    assert choose.resolve("auto") == "container"


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for the engine is a shell script")
def test_a_container_speaks_the_same_protocol(monkeypatch, tmp_path, root):
    """The engine is the only stand-in: a script that drops podman's options and starts the entry point."""
    engine = tmp_path / "bin" / "podman"
    engine.parent.mkdir()
    engine.write_text(
        '#!/bin/sh\nif [ "$1" = image ]; then exit 0; fi\n'
        'while [ "$1" != itemmarket-course ]; do\n'
        '  case "$1" in --env=*) export "${1#--env=}";; esac\n  shift\ndone\nshift\n'
        f'PYTHONPATH="{root}" exec "{sys.executable}" "$@"\n'
    )
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{engine.parent}{os.pathsep}{os.environ['PATH']}")
    launch = container.find()
    folder = tmp_path / "submission"
    folder.mkdir()
    launch.folder = str(folder)
    lab = slope_lab()
    verdict = judge(lab, read_submission(lab, "ada", hand_in(tmp_path, "ada")), launch=launch)
    assert (verdict.score, verdict.isolation) == (lab.max_score, "container")


def test_a_container_has_no_powers():
    command = container.Container("podman", "image").command(WorkerSpec("/submission", "slope", 2**30))
    for option in ("--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"):
        assert option in command
    assert "--memory=1073741824" in command


def test_without_an_image_the_error_says_how_to_make_it(monkeypatch, tmp_path):
    engine = tmp_path / "podman"
    engine.write_text("#!/bin/sh\necho 'no such image' >&2\nexit 1\n")
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "podman build -t itemmarket-course" in container.available()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert container.available() == "neither podman nor docker is installed"


def test_the_dockerfile_is_sound(root):
    """hadolint finds nothing to object to."""
    linter = shutil.which("hadolint", path=f"{os.environ['PATH']}{os.pathsep}{root / 'build/tools/bin'}")
    if linter is None:
        pytest.skip("machine: hadolint is not installed")
    checked = subprocess.run([linter, root / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (checked.stdout, checked.returncode) == ("", 0)


def test_a_course_below_tmp_stays_visible(monkeypatch):
    """A private /tmp would hide the course itself: there it is read-only."""
    monkeypatch.setattr(view, "ROOT", Path("/elsewhere/course"))
    monkeypatch.setattr(view, "data_dir", lambda: Path("/elsewhere/course/data"))
    monkeypatch.setattr(sys, "prefix", "/elsewhere/course/.venv")
    assert view.private() == ["/submission", "/tmp", "/dev/shm"]
    monkeypatch.setattr(view, "ROOT", Path("/tmp/course"))
    assert view.private() == ["/submission", "/dev/shm"]
