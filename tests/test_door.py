"""The command line: course.py sets up, repairs and enters an environment, or says in one sentence why it cannot.

The checks run the real file in a small course of its own, whose pins are wheels made here: no network.
"""

import ast
import base64
import contextlib
import csv
import functools
import hashlib
import http.server
import importlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from pathlib import Path

import psutil
import pytest

import course
import course_environment

BASE_PYTHON = getattr(sys, "_base_executable", sys.executable)

BACKEND = '''
"""The smallest PEP 660 backend: an editable wheel that holds one path."""
import zipfile
from pathlib import Path

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "itemmarket-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / name, "w") as wheel:
        info = "itemmarket-0.1.0.dist-info/"
        wheel.writestr("itemmarket.pth", str(Path.cwd()))
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: itemmarket\\nVersion: 0.1.0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name
'''
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "itemmarket"
version = "0.1.0"
"""
VERB = '''
"""A verb that tells where it runs."""
import json, os, sys
from importlib.metadata import distributions

def data(argv):
    print(json.dumps({
        "argv": argv, "prefix": sys.prefix, "path": os.environ["PATH"].split(os.pathsep)[0],
        "utf8": sys.flags.utf8_mode, "python": [name for name in os.environ if name.startswith("PYTHON")],
        "packages": {d.name: d.version for d in distributions()},
    }))
    return int(argv[0]) if argv else 0
'''


def write_wheel(folder: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """Write a wheel as a build tool would, RECORD included."""
    info = f"{name}-{version}.dist-info/"
    tag = b"Wheel-Version: 1.0\nGenerator: here\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    meta = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    files = {info + "METADATA": meta, info + "WHEEL": tag, **files}
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, content in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            rows.writerow([path, f"sha256={digest}", len(content)])
            wheel.writestr(path, content)
        rows.writerow([info + "RECORD", "", ""])
        wheel.writestr(info + "RECORD", record.getvalue())


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels: pip and packaging as they are here, small ones, a large one, one that fills the disk."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in ("pip", "packaging"):
        package = distribution(name)
        files = {
            path.as_posix(): path.locate().read_bytes()
            for path in package.files
            if path.suffix != ".pyc" and not {"..", "RECORD", "INSTALLER", "REQUESTED"} & {*path.parts}
        }
        write_wheel(folder, name, package.version, files)
    write_wheel(folder, "alpha", "1.0", {"alpha.py": b"VALUE = 1\n"})
    write_wheel(folder, "alpha", "2.0", {"alpha.py": b"VALUE = 2\n"})
    large = {f"large/part_{number:04}.py": b"#" * 4000 for number in range(900)}
    write_wheel(folder, "large", "1.0", {"large/__init__.py": b"", **large})
    backend = b"def build_wheel(*_, **__): raise OSError(28, 'No space left on device')\n"
    with tarfile.open(folder / "heavy-1.0.tar.gz", "w:gz") as archive:
        for name, content in {
            "pyproject.toml": PYPROJECT.replace("itemmarket", "heavy").encode(),
            "backend.py": backend,
            "PKG-INFO": b"Metadata-Version: 2.1\nName: heavy\nVersion: 1.0\n",
        }.items():
            member = tarfile.TarInfo(f"heavy-1.0/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return folder


class SmallCourse:
    """A copy of the command line in a folder with pins of its own."""

    def __init__(self, folder: Path, wheels: Path) -> None:
        self.folder, self.venv = folder, folder / ".venv"
        (folder / "itemmarket").mkdir(parents=True)
        for module in (course, course_environment):
            shutil.copy(module.__file__, folder)
        for path, text in {
            "itemmarket/__init__.py": "",
            "itemmarket/data/cli.py": VERB,
            "backend.py": BACKEND,
            "pyproject.toml": PYPROJECT,
        }.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        self.pin("alpha==1.0")
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "COURSE_"))}
        self.env = {
            **clean,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_FIND_LINKS": str(wheels),
        }

    def pin(self, *pins: str) -> None:
        """Set the pins."""
        for name in ("requirements.txt", "constraints.txt"):
            (self.folder / name).write_text("\n".join(pins), encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        """Return the command that a user types."""
        return [BASE_PYTHON, str(self.folder / "course.py"), *arguments]

    def start(self, *arguments: str, **env: str | None) -> subprocess.CompletedProcess[str]:
        """Start the command line and wait; a variable given as None is taken away."""
        changed = {key: value for key, value in {**self.env, **env}.items() if value is not None}
        return subprocess.run(
            self.command(*arguments),
            env=changed,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=300,
        )

    def kill_when(self, condition: Callable[[], bool], tree: bool = True) -> None:
        """Start a set-up and kill it (with its children, if ``tree``) once the condition holds."""
        with subprocess.Popen(self.command("data"), env=self.env, stdout=-3, stderr=-3) as process:
            deadline = time.monotonic() + 120
            while not condition():
                assert process.poll() is None, "the set-up was over before it could be killed"
                assert time.monotonic() < deadline
                time.sleep(0.002)
            parent = psutil.Process(process.pid)
            victims = [parent, *parent.children(recursive=True)] if tree else [parent]
            for victim in victims:
                victim.kill()
            psutil.wait_procs(victims)

    @property
    def packages(self) -> Path:
        """The folder of installed packages, which may not exist yet."""
        return next(self.venv.glob("[Ll]ib/**/site-packages"), self.venv / "none")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> SmallCourse:
    """A small course that has been set up once; checks may change its pins and must leave it startable."""
    course = SmallCourse(
        tmp_path_factory.mktemp("door") / "a course", wheels
    )  # a space, as in many home folders
    first = course.start("data")
    assert first.returncode == 0, first.stderr
    return course


@pytest.fixture
def fresh(tmp_path: Path, wheels: Path) -> SmallCourse:
    """A small course that has never been started."""
    return SmallCourse(tmp_path / "fresh", wheels)


def packages_of(result: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return name → version in the environment in which the verb ran."""
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["packages"]


# ---------------------------------------------------------------- before the environment


def test_help_has_one_line_per_verb(root: Path) -> None:
    result = subprocess.run(
        [BASE_PYTHON, str(root / "course.py"), "--help"], capture_output=True, text=True, encoding="utf-8"
    )
    lines = [line.split()[0] for line in result.stdout.splitlines() if line.startswith("  ")]
    assert result.returncode == 0
    assert lines == list(course.VERBS)
    assert all(len(line) <= 120 for line in result.stdout.splitlines())


def test_every_verb_has_its_function() -> None:
    for verb in course.VERBS.values():
        module, _, function = verb.target.partition(":")
        assert callable(getattr(importlib.import_module(module), function)), verb


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["dta"], 1, "course.py: There is no verb `dta`: did you mean `data`?\n"),
        (["xyzzy"], 1, "course.py: There is no verb `xyzzy`: `python3 course.py --help` lists them.\n"),
        (
            ["grade"],
            1,
            "course.py: `grade` is not in this copy of the course: it needs the instructor's full repository.\n",
        ),
        ([], 2, ""),
    ],
)
def test_wrong_verbs_are_answered_without_setting_up(
    fresh: SmallCourse, arguments: list[str], code: int, message: str
) -> None:
    result = fresh.start(*arguments)
    assert (result.returncode, result.stderr) == (code, message)
    assert not fresh.venv.exists()


def test_a_copy_lists_only_the_verbs_that_it_has(fresh: SmallCourse) -> None:
    text = fresh.start("--help").stdout
    assert "  data " in text
    assert "  grade " not in text


@pytest.mark.parametrize(
    "arguments", [["lab"], ["check_env"], ["run"], ["test"], ["notebooks"], ["bench"], ["data"]], ids=" ".join
)
def test_help_that_needs_no_package_installs_nothing(
    root: Path, tmp_path: Path, arguments: list[str]
) -> None:
    """The repository's own modules, in a copy without an environment."""
    copy = tmp_path / "copy"
    unwanted = shutil.ignore_patterns("__pycache__", "*.parquet")
    for name in ("itemmarket", "benchmarks"):
        shutil.copytree(root / name, copy / name, ignore=unwanted)
    (copy / "lectures").mkdir()
    for name in ("course.py", "course_environment.py", "tasks.py", *course_environment.PINS):
        shutil.copy(root / name, copy)
    result = subprocess.run(
        [BASE_PYTHON, "-I", str(copy / "course.py"), *arguments, "--help"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"usage: course.py {arguments[0]}")
    assert not (copy / ".venv").exists()


def test_help_of_a_verb_that_needs_packages_sets_up(fresh: SmallCourse) -> None:
    (fresh.folder / "itemmarket/data/cli.py").write_text(f"import alpha\n{VERB}", encoding="utf-8")
    result = fresh.start("data", "0", "--help")
    assert json.loads(result.stdout)["argv"] == ["0", "--help"]
    assert Path(json.loads(result.stdout)["prefix"]) == fresh.venv


def test_what_makes_the_environment_imports_only_the_standard_library() -> None:
    for module in (course, course_environment):
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        names = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
        found = {name.partition(".")[0] for name in names}
        assert found - {"course_environment"} <= sys.stdlib_module_names, module


def older_pythons() -> Iterator[str]:
    """Yield interpreters of this machine that are older than the course asks for."""
    for minor in range(6, 11):
        candidates = [
            shutil.which(f"python3.{minor}"),
            *Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"),
        ]
        for candidate in filter(None, candidates):
            probe = subprocess.run([candidate, "-c", "pass"], capture_output=True)
            if probe.returncode == 0:  # a shim may stand for nothing
                yield str(candidate)
                break


def test_an_older_python_gets_a_sentence(root: Path) -> None:
    path = root / "course.py"
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 6))
    pretend = "import runpy, sys; sys.version_info = (3, 8, 2); sys.version = '3.8.2 x'; runpy.run_path(sys.argv[1])"
    commands = [
        [BASE_PYTHON, "-c", pretend, str(path)],
        *([older, str(path), "run"] for older in older_pythons()),
    ]
    for command in commands:
        result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
        assert result.returncode == 1
        assert result.stderr.startswith(
            "course.py: the course needs Python 3.11 or newer and this is Python 3."
        ), command
        assert len(result.stderr.splitlines()) == 1


def test_a_python_without_venv_gets_the_name_of_the_package(fresh: SmallCourse, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys; sys.modules['ensurepip'] = None", encoding="utf-8"
    )
    result = fresh.start("data", PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    assert "comes without its venv module" in result.stderr
    assert f"python3.{sys.version_info[1]}-venv" in result.stderr


def test_check_env_works_before_the_environment(fresh: SmallCourse) -> None:
    result = fresh.start("check_env")
    assert result.returncode == 1
    assert "FAIL  the environment .venv is missing -> python3 course.py run sets it up\n" in result.stdout
    assert "OK    Python 3." in result.stdout
    assert not fresh.venv.exists()


def test_a_folder_that_cannot_be_written_is_named(fresh: SmallCourse) -> None:
    (fresh.folder / "build").write_text("a file where the folder should be", encoding="utf-8")
    result = fresh.start("data")
    assert result.returncode == 1
    assert result.stderr.startswith(f"course.py: Cannot write {fresh.folder / 'build'} (")
    assert len(result.stderr.splitlines()) == 1


def test_a_missing_pin_file_is_named(fresh: SmallCourse) -> None:
    (fresh.folder / "constraints.txt").unlink()
    result = fresh.start("data")
    assert result.returncode == 1
    assert "constraints.txt is missing" in result.stderr


# ---------------------------------------------------------------- setting up


def test_a_verb_runs_in_the_environment(small: SmallCourse) -> None:
    result = small.start("data", "7", "--flag", PYTHONPATH=str(small.folder), PYTHONDONTWRITEBYTECODE="1")
    answer = json.loads(result.stdout)
    assert result.returncode == 7
    assert answer["argv"] == ["7", "--flag"]
    assert Path(answer["prefix"]) == small.venv
    assert Path(answer["path"]) in (small.venv / "bin", small.venv / "Scripts")
    assert answer["utf8"] == 1
    assert not {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"} & {*answer["python"]}
    assert answer["packages"]["itemmarket"] == "0.1.0"


def test_a_second_start_is_quick_and_silent(small: SmallCourse) -> None:
    log = small.folder / "build" / "setup.log"
    small.start("data")
    before, seconds = log.stat().st_mtime_ns, []
    for _ in range(3):
        started = time.perf_counter()
        result = small.start("data")
        seconds.append(time.perf_counter() - started)
        assert (result.returncode, result.stderr) == (0, "")
    assert min(seconds) < 1, seconds
    assert log.stat().st_mtime_ns == before


def test_changed_pins_are_installed_at_the_next_start(small: SmallCourse) -> None:
    small.pin("alpha==2.0")
    assert packages_of(small.start("data"))["alpha"] == "2.0"
    small.pin("alpha==1.0")
    assert packages_of(small.start("data"))["alpha"] == "1.0"


def test_line_endings_do_not_change_the_key(small: SmallCourse) -> None:
    small.start("data")
    pins = small.folder / "requirements.txt"
    pins.write_bytes(b"alpha==1.0\r\n")
    small.start("data")
    pins.write_bytes(b"alpha==1.0\n")
    assert small.start("data").stderr == ""


def test_concurrent_starts_take_turns(small: SmallCourse) -> None:
    small.pin("alpha==2.0", "large==1.0")
    options = {"env": small.env, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    starts = [subprocess.Popen(small.command("data"), **options) for _ in range(3)]
    ends = [start.communicate(timeout=300) for start in starts]
    assert [start.returncode for start in starts] == [0, 0, 0]
    assert sum("installing packages" in errors for _, errors in ends) == 1
    assert sum("waiting for it" in errors for _, errors in ends) >= 1
    assert all(json.loads(output)["packages"]["large"] == "1.0" for output, _ in ends)


# ---------------------------------------------------------------- a set-up that was stopped


def assert_whole(small: SmallCourse) -> None:
    """Start, and check that every installed file has the size that its package recorded."""
    installed = packages_of(small.start("data"))
    assert {"alpha", "large", "itemmarket", "pip"} <= set(installed)
    assert all(course_environment.is_whole(info) for info in small.packages.glob("*.dist-info"))
    assert len(list((small.packages / "large").glob("part_*.py"))) == 900
    assert small.start("data").stderr == ""


def take_away_large(small: SmallCourse) -> None:
    """Go back to an environment without the large package."""
    small.pin("alpha==1.0")
    small.start("data")
    for path in small.packages.glob("large*"):
        shutil.rmtree(path)
    small.pin("alpha==1.0", "large==1.0")


@pytest.mark.parametrize("part", ["part_0003.py", "part_0850.py"])
def test_killed_while_installing(small: SmallCourse, part: str) -> None:
    take_away_large(small)
    small.kill_when((small.packages / "large" / part).exists)
    assert not course_stamp(small).exists()
    assert_whole(small)


@pytest.mark.skipif(os.name == "nt", reason="Windows: no child inherits a lock there")
def test_only_the_door_killed_while_pip_goes_on(small: SmallCourse) -> None:
    take_away_large(small)
    small.kill_when((small.packages / "large" / "part_0003.py").exists, tree=False)
    (pip,) = [
        p for p in psutil.process_iter(["cmdline"]) if str(small.venv) in " ".join(p.info["cmdline"] or ())
    ]
    pip.suspend()
    try:
        with (small.folder / "build" / "setup.lock").open("a+b") as file:
            assert not course_environment.try_lock(
                file.fileno()
            )  # the next start waits as long as this pip lives
    finally:
        pip.resume()
    assert_whole(small)


def test_killed_while_making_the_environment(fresh: SmallCourse) -> None:
    fresh.pin("alpha==1.0", "large==1.0")
    fresh.kill_when((fresh.venv / "pyvenv.cfg").exists)
    state = fresh.start("check_env").stdout
    assert "FAIL  the environment .venv is incomplete or older than the pins" in state
    fresh.kill_when(lambda: (fresh.packages / "pip").is_dir())
    assert_whole(fresh)


def test_a_package_that_lost_a_file_is_installed_again(small: SmallCourse) -> None:
    take_away_large(small)
    small.start("data")
    (small.packages / "large" / "part_0042.py").write_bytes(b"cut")
    (small.packages / "~arge").mkdir()
    course_stamp(small).unlink()
    assert_whole(small)
    assert not (small.packages / "~arge").exists()


def test_a_moved_or_dead_environment_is_made_again(small: SmallCourse, tmp_path: Path, wheels: Path) -> None:
    small.pin("alpha==1.0")
    small.start("data")
    moved = tmp_path / "moved"
    shutil.copytree(small.folder, moved, symlinks=True)
    copy = SmallCourse.__new__(SmallCourse)
    copy.folder, copy.venv, copy.env = moved, moved / ".venv", small.env
    result = copy.start("data")
    assert "Making the environment" in result.stderr
    assert Path(json.loads(result.stdout)["prefix"]) == copy.venv


def course_stamp(small: SmallCourse) -> Path:
    """Return the file that marks a complete environment."""
    return small.venv / course_environment.STAMP.name


# ---------------------------------------------------------------- failures in a sentence


def last_line(result: subprocess.CompletedProcess[str]) -> str:
    """Return the sentence with which the command line gave up, and check that it is all there is."""
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    line = result.stderr.splitlines()[-1]
    assert line.startswith("course.py: ")
    return line


@pytest.mark.parametrize(
    ("pins", "env", "sentence"),
    [
        (
            ["absent==1.0"],
            {"PIP_NO_INDEX": None, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"},
            "The package index cannot be reached: check the network",
        ),
        (["absent==1.0"], {}, "The package index has no absent for this Python"),
        (["heavy==1.0"], {}, "The disk is full: free about 3 GB"),
    ],
)
def test_pip_failures_become_one_sentence(
    small: SmallCourse, pins: list[str], env: dict[str, str | None], sentence: str
) -> None:
    small.pin("alpha==1.0", *pins)
    assert sentence in last_line(small.start("data", **env))
    assert not course_stamp(small).exists()
    small.pin("alpha==1.0")
    assert packages_of(small.start("data"))["alpha"] == "1.0"  # and the next start goes on


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full (Linux)")
def test_a_full_disk_under_the_log(small: SmallCourse) -> None:
    log = small.folder / "build" / "setup.log"
    log.unlink(missing_ok=True)
    log.symlink_to("/dev/full")
    course_stamp(small).unlink(missing_ok=True)
    try:
        assert "The disk is full" in last_line(small.start("data"))
    finally:
        log.unlink()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "/x/.venv"), "Cannot write /x/.venv (Permission denied)"),
        (OSError(28, "No space left on device"), "The disk is full"),
    ],
)
def test_what_the_system_refuses(error: OSError, words: str) -> None:
    assert course_environment.explain_os_error(error).startswith(words)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError'\nERROR: No matching distribution",
            "network",
        ),
        ("SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED'))", "PIP_CERT"),
        (
            "ERROR: Could not install packages due to an OSError: [WinError 5] Access is denied",
            "close programs",
        ),
        ("HINT: ... does not have Windows Long Path support enabled.", "too long for Windows"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "cache purge"),
        ("ERROR: something new\nmore\n", "(ERROR: something new)"),
        ("", "no message"),
    ],
)
def test_causes_are_told_apart(output: str, words: str) -> None:
    sentence = course_environment.explain(output, "installing packages")
    assert words in sentence
    assert "\n" not in sentence


# ---------------------------------------------------------------- torch from an index of its own


def test_torch_comes_from_the_index_that_the_user_names(fresh: SmallCourse, tmp_path: Path) -> None:
    served, wheels = tmp_path / "served", Path(fresh.env["PIP_FIND_LINKS"])
    for name in ("torch", "empty"):
        (served / name / "torch").mkdir(parents=True)
    write_wheel(served / "torch" / "torch", "torch", "1.0+cpu", {"torch.py": b""})
    write_wheel(wheels, "torch", "1.0", {"torch.py": b""})
    fresh.pin("alpha==1.0", "torch==1.0")
    handler = functools.partial(QuietHandler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        result = fresh.start(
            "data", PIP_NO_INDEX=None, PIP_INDEX_URL=f"{address}/empty", COURSE_TORCH_INDEX=f"{address}/torch"
        )
        server.shutdown()
    assert packages_of(result)["torch"] == "1.0+cpu"
    assert "installing torch from" in result.stderr


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and keeps silent about it."""

    def log_message(self, *_: object) -> None:
        pass


# ---------------------------------------------------------------- check_env in the environment


def test_check_env_tells_a_healthy_package_from_a_broken_one(small: SmallCourse) -> None:
    small.pin("alpha==1.0", "large==1.0", f"packaging=={distribution('packaging').version}")
    small.start("data")

    healthy = small.start("check_env")
    assert {"OK    alpha 1.0", "OK    large 1.0"} <= set(healthy.stdout.splitlines())
    (small.packages / "alpha.py").write_text("import gone", encoding="utf-8")
    (small.packages / "large-1.0.dist-info").rename(small.packages / "set_aside")
    broken = small.start("check_env")
    (small.packages / "set_aside").rename(small.packages / "large-1.0.dist-info")
    course_stamp(small).unlink()
    assert broken.returncode == 1
    assert (
        "FAIL  alpha: cannot be imported (ModuleNotFoundError: No module named 'gone') -> " in broken.stdout
    )
    assert "FAIL  large: not installed -> " in broken.stdout


def test_check_env_looks_at_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITEMMARKET_DATA", str(tmp_path))
    (no_list,) = course_environment.data_files()
    assert (no_list[0], "checksums" in no_list[1]) == ("FAIL", True)
    for name in ("good", "bad"):
        (tmp_path / name).write_bytes(b"prices")
    digest = hashlib.sha256(b"prices").hexdigest()
    (tmp_path / "checksums.txt").write_text(f"{digest}  bad\n{digest}  good\n", encoding="utf-8")
    (tmp_path / "bad").write_bytes(b"others")
    bad, good = course_environment.data_files()
    assert good == ("OK", "data/good", "")
    assert bad[0] == "FAIL"
    assert bad[1].startswith("data/bad has sha256")


@pytest.mark.parametrize(
    ("name", "module"), [("scikit-learn", "sklearn"), ("pytest-xdist", "xdist"), ("rich", "rich")]
)
def test_distributions_are_imported_under_their_own_name(name: str, module: str) -> None:
    assert course_environment.module_of(distribution(name)) == module


# ---------------------------------------------------------------- progress


def test_progress_follows_pips_lines() -> None:
    progress = course_environment.Progress()
    assert str(progress) == ""
    lines = [
        "Collecting torch==2.13.0",
        "  Downloading torch.whl (200 MB)",
        "Collecting numpy>=1 (from torch)",
    ]
    assert all(progress.read(line + "\n") for line in lines)
    assert not progress.read("Progress 50000000 of 200000000\n")  # counted, and not for the log
    assert str(progress) == f": fetching 2/{progress.expected}, 50 of 200 MB"
    assert progress.expected > 100
    assert progress.read("Collecting pandas\n")
    assert str(progress) == f": fetching 3/{progress.expected}"
    progress.read("Installing collected packages: numpy, pandas, torch\n")
    assert re.fullmatch(r" [0-3]/3", str(progress))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_a_terminal_gets_one_live_line(small: SmallCourse) -> None:
    import pty

    course_stamp(small).unlink(missing_ok=True)
    ours, theirs = pty.openpty()
    env = {key: value for key, value in small.env.items() if key != "CI"}
    with subprocess.Popen(
        small.command("data"), env=env, stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # Linux reports the other end's close as an error
            while chunk := os.read(ours, 4096):
                shown += chunk
    os.close(ours)
    assert process.returncode == 0
    assert re.search(rb"\r  installing packages[^\n]* \(\d+ s\)\x1b\[K", shown)
    assert shown.count(b"\n") == 2  # "Completing …" and "… is ready": the live line leaves nothing behind
