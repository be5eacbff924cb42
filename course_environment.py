"""The environment of the course: ``.venv`` is made from the pins, renewed when they change, and inspected.

``course.py`` imports this module before anything is installed, so it uses the standard library only; what
``check_env`` imports of the environment's packages, it imports once they are there. It serves Linux, macOS and Windows.

Setting up is resumable: the stamp is removed first and written last, so a set-up that was stopped at any
point is taken up at the next start, and one lock keeps concurrent starts in line.
"""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BUILD = ROOT / "build"
LOG = BUILD / "setup.log"
STAMP = VENV / "course-stamp"
PINS = ("requirements.txt", "constraints.txt", "pyproject.toml")
WINDOWS = os.name == "nt"
COMPILED = (  # of what is installed; the rest is compiled when it is first imported
    *("numpy", "pandas", "scipy", "sklearn", "torch", "sympy", "mpmath", "networkx", "matplotlib", "pyarrow"),
    *("pytest", "_pytest", "coverage"),
)
BIN = VENV / ("Scripts" if WINDOWS else "bin")
PYTHON = BIN / ("python.exe" if WINDOWS else "python")
DISK_GB = 3.0  # what the environment takes, with room for pip's temporary files


class CourseError(Exception):
    """Something the user can cure; the message is one sentence that names the cause and the cure."""


# ---------------------------------------------------------------- what is there


def environment_version() -> tuple[int, ...]:
    """Return (major, minor) of the environment's Python, () when ``.venv`` is absent, dead or was moved here."""
    try:
        lines = (VENV / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ()
    config = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
    # Scripts of an environment carry its path, so a copied or moved one is no use: `command` tells where it was made.
    at_home = config.get("command", "").endswith(str(VENV))
    if not (at_home and Path(config.get("home", "")).is_dir() and PYTHON.exists()):
        return ()
    return tuple(int(part) for part in re.findall(r"\d+", config.get("version", ""))[:2])


def environment_key() -> str:
    """Return the sha256 of the pins and of what the environment was made with and for."""
    key = hashlib.sha256(repr((environment_version(), sys.platform, str(ROOT))).encode())
    for name in PINS:
        try:
            key.update((ROOT / name).read_bytes().replace(b"\r\n", b"\n") + b"\0")
        except FileNotFoundError:
            raise CourseError(f"{name} is missing from {ROOT}: get the whole repository again.") from None
    return key.hexdigest()


def is_ready() -> bool:
    """Tell whether ``.venv`` was completed with exactly these pins."""
    try:
        return STAMP.read_text(encoding="utf-8") == environment_key()
    except OSError:
        return False


def inside() -> bool:
    """Tell whether this process already runs the environment's Python."""
    return Path(sys.prefix).resolve() == VENV.resolve()


def environment_variables() -> dict[str, str]:
    """Return the variables that verbs and their children run under."""
    # Packages come without bytecode (installing is faster), so Python must be free to write what it compiles.
    unwanted = ("PYTHONHOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    result = {key: value for key, value in os.environ.items() if key not in unwanted}
    path = os.environ.get("PATH", "")
    if path.split(os.pathsep)[0] != str(BIN):  # nbgrader calls `alembic` by name
        result["PATH"] = str(BIN) + os.pathsep + path
    result["VIRTUAL_ENV"] = str(VENV)
    result["PYTHONUTF8"] = "1"  # Windows would read text files in a code page
    result["JUPYTER_PREFER_ENV_PATH"] = "1"  # a kernel named python3 in the home folder must not win
    return result


def compute_on_one_thread() -> None:
    """Let this process's children compute on one thread, unless the user has said otherwise.

    The course's models are small: on several threads their parts wait for each other, five times longer in all.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")


# ---------------------------------------------------------------- making it


def ensure_environment() -> None:
    """Make, complete or renew ``.venv``; return at once when it is as the pins say.

    Raises
    ------
    CourseError
        When it cannot be done: no network, no space, no permission, no ``venv`` module, a pin without a build.
    """
    if is_ready():
        return
    started = time.monotonic()
    try:
        with setup_lock() as lock:
            if is_ready():  # the start that we waited for has done the work
                return
            check_before_setup()
            LOG.write_text("", encoding="utf-8")
            if is_sound():
                STAMP.unlink(missing_ok=True)
                repair()
            else:
                make_venv(lock)
            install(lock)
            stamp = STAMP.with_suffix(".new")
            stamp.write_text(environment_key(), encoding="utf-8")
            stamp.replace(STAMP)
    except OSError as error:
        raise CourseError(explain_os_error(error)) from error
    say(f"The environment is ready ({time.monotonic() - started:.0f} s).")


@contextlib.contextmanager
def setup_lock() -> Iterator[int]:
    """Hold ``build/setup.lock`` and yield its descriptor.

    The operating system drops the lock when the last process that holds it dies. Children inherit it (POSIX),
    so a pip that outlives a killed start keeps the next one waiting instead of working against it.
    """
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "setup.lock").open("a+b") as file:
        if not try_lock(file.fileno()):
            say("Another start is setting up the environment; waiting for it.")
            while not try_lock(file.fileno()):
                time.sleep(0.1)
        yield file.fileno()


if WINDOWS:
    import msvcrt

    def try_lock(descriptor: int) -> bool:
        """Lock the file unless another process has."""
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Lock the file unless another process has."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def check_before_setup() -> None:
    """Find what would make a set-up fail late."""
    from importlib.util import find_spec

    environment_key()  # the pins are here
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < DISK_GB and environment_version() == ():
        raise CourseError(
            f"The disk of {ROOT} has {free:.1f} GB free and the environment needs {DISK_GB:.0f} GB: free some space, "
            "then start again."
        )
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise CourseError(
            f"This Python ({sys.executable}) comes without its venv module: install it "
            f"(Debian and Ubuntu: sudo apt install python{version}-venv), then start again."
        )


def site_packages() -> Path:
    """Return the folder of the environment's packages."""
    if WINDOWS:
        return VENV / "Lib" / "site-packages"
    return VENV / "lib" / "python{}.{}".format(*environment_version()) / "site-packages"


def is_sound() -> bool:
    """Tell whether ``.venv`` has a Python that is new enough and a whole pip, so that pip can do the rest."""
    if environment_version() < (3, 11):
        return False
    pips = installed_pips()
    return len(pips) == 1 and is_whole(pips[0])


def installed_pips() -> list[Path]:
    """Return the metadata folders of pip, two when an upgrade was stopped halfway."""
    return list(site_packages().glob("pip-*.dist-info"))


def is_whole(dist_info: Path) -> bool:
    """Tell whether every file that a package's RECORD lists is there in its recorded size."""
    import csv

    try:
        with (dist_info / "RECORD").open(encoding="utf-8", newline="") as file:
            return all(
                (dist_info.parent / path).stat().st_size == int(size)
                for path, _, size in csv.reader(file)
                if size and not path.endswith(".pyc")
            )
    except (OSError, ValueError):
        return False


def repair() -> None:
    """Make pip see what a stopped set-up left incomplete: forget packages that lack files.

    pip takes a package for installed as soon as its metadata exists, and it writes files in any order.
    """
    say("Completing the environment.")
    for dist_info in site_packages().glob("*.dist-info"):
        if not is_whole(dist_info):
            shutil.rmtree(dist_info)
    for remains in site_packages().glob("~*"):  # what pip sets aside while it replaces a package
        shutil.rmtree(remains) if remains.is_dir() else remains.unlink()


def make_venv(lock: int) -> None:
    """Make ``.venv`` from nothing."""
    base = getattr(sys, "_base_executable", sys.executable)
    if inside() and WINDOWS:  # a running python.exe cannot be replaced
        raise CourseError(f'The environment has to be made again: start with "{base}" course.py.')
    say("Making the environment .venv: once, about a minute.")
    supervise(".venv", [base, "-m", "venv", "--clear", str(VENV)], lock)


def install(lock: int) -> None:
    """Install the pins and the package itself."""
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--no-compile"]
    (version,) = (int(info.name.removeprefix("pip-").partition(".")[0]) for info in installed_pips())
    if version < 26:  # three times slower, and it does not tell how far a download is
        supervise("a current pip", [*pip, "pip>=26"], lock)
    pip += ["--progress-bar", "raw", "-c", "constraints.txt"]
    index = os.environ.get("COURSE_TORCH_INDEX")
    torch = re.search(r"^torch==\S+", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    if index and torch:
        supervise(f"torch from {index}", [*pip, "--index-url", index, torch[0]], lock)
    supervise("packages", [*pip, "-r", "requirements.txt", "-e", "."], lock)
    # Graders' workers must not write bytecode, and without it each of them would compile torch for seconds. pip would
    # compile everything, one file after the other: three times slower than two processes on what matters.
    heavy = [str(path) for path in map(site_packages().joinpath, COMPILED) if path.is_dir()]
    compile_all = (
        "import compileall, sys; [compileall.compile_dir(p, quiet=2, workers=0) for p in sys.argv[1:]]"
    )
    supervise("bytecode", [str(PYTHON), "-c", compile_all, *heavy], lock)


# ---------------------------------------------------------------- a child process, watched


class Progress:
    """What pip is doing, read from the lines that it prints."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        self.expected = sum("==" in line for line in pins)
        self.seen: set[str] = set()
        self.download = ""
        self.installing = 0
        self.since = 0.0

    def read(self, line: str) -> bool:
        """Take one line in; return False for one that only counts bytes and is not worth logging."""
        size = re.match(r"Progress (\d+) of (\d+)", line)
        package = re.match(r"\s*(?:Collecting|Requirement already satisfied:) ([\w.-]+)", line)
        batch = re.match(r"Installing collected packages: (.+)", line)
        if size:
            done, whole = int(size[1]) / 1e6, int(size[2]) / 1e6
            self.download = f", {done:.0f} of {whole:.0f} MB" if whole > 20 else ""
            return False
        if package:
            self.seen.add(package[1].lower())
            self.download = ""
        elif batch:
            self.installing, self.since = len(batch[1].split(", ")), time.time() - 1
        return True

    def __str__(self) -> str:
        """Say how far it is."""
        if self.installing:
            try:
                new = sum(d.stat().st_mtime >= self.since for d in site_packages().glob("*.dist-info"))
            except OSError:  # pip took one away between listing and looking
                return ""
            return f" {min(new, self.installing)}/{self.installing}"
        if len(self.seen) > 1:
            return f": fetching {len(self.seen)}/{max(self.expected, len(self.seen))}{self.download}"
        return ""


def supervise(title: str, command: list[str], lock: int) -> None:
    """Run a command of the set-up: output to the log, one live line to a terminal, a sentence when it fails."""
    import signal

    progress, live = Progress(), sys.stderr.isatty() and not os.environ.get("CI")
    if not live:
        say(f"  installing {title}")
    inherit = {} if WINDOWS else {"pass_fds": (lock,)}
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**environment_variables(), "PYTHONUNBUFFERED": "1", "PIP_USER": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        **inherit,
    )
    lines: list[str] = []
    failure: list[OSError] = []

    def read() -> None:
        try:
            with LOG.open("a", encoding="utf-8") as log:
                log.write(f"$ {' '.join(command)}\n")
                for line in child.stdout:
                    if progress.read(line):
                        lines.append(line)
                        log.write(line)
        except OSError as error:  # a full disk: pip would wait for ever on a pipe that nobody reads
            failure.append(error)
            child.kill()

    reader = threading.Thread(target=read, daemon=True)
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` ends the child
    started = time.monotonic()
    try:
        reader.start()
        while reader.is_alive():
            reader.join(0.2)
            if live:
                text = f"  installing {title}{progress} ({time.monotonic() - started:.0f} s)"
                show(f"\r{text[: shutil.get_terminal_size().columns - 1]}\x1b[K")
        code = child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
        reader.join(5)  # a grandchild may keep the pipe open
        signal.signal(signal.SIGTERM, previous)
        if live:
            show("\r\x1b[K")
    if failure:
        raise failure[0]
    if code:
        raise CourseError(explain("".join(lines), title))


NO_SPACE = (
    "The disk is full: free about 3 GB (on the disk of the repository and of the temporary folder), then start again; "
    "set-up goes on where it stopped."
)
CAUSES = (
    (r"No space left on device|Errno 28\b|not enough space on the disk", NO_SPACE),
    (
        r"Long Path support",
        "A path is too long for Windows: enable long paths or move the repository to a short path.",
    ),
    (
        r"Permission denied|Errno 13\b|Access is denied",
        "A file of the environment cannot be written: own the repository's folder, close programs that use .venv, "
        "then start again.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError",
        "The package index shows a certificate that this machine does not trust: behind a company proxy, set PIP_CERT "
        "to its certificate file, then start again.",
    ),
    (
        r"after connection broken by|Connection (refused|reset|aborted)|getaddrinfo failed|name resolution"
        r"|timed out|ProxyError|IncompleteRead|incomplete-download",
        "The package index cannot be reached: check the network (or PIP_INDEX_URL and the proxy), then start again; "
        "set-up goes on where it stopped.",
    ),
    (
        r"DO NOT MATCH THE HASHES",
        "A download arrived damaged: run `python3 -m pip cache purge`, then start again.",
    ),
)


def explain(output: str, title: str) -> str:
    """Turn the output of a failed command into one sentence with the cure."""
    for pattern, sentence in CAUSES:
        if re.search(pattern, output):
            return sentence
    absent = re.search(
        r"No matching distribution found for (\S+)|no matching distributions available for your environment:\s+(\S+)",
        output,
    )
    if absent:
        return (
            f"The package index has no {absent[1] or absent[2]} for this Python ({sys.version.split()[0]}, "
            f"{sys.platform}): use a 64-bit Python between 3.11 and 3.13, then start again."
        )
    errors = [line for line in output.splitlines() if line.lower().startswith("error")] or output.split("\n")[
        -2:-1
    ]
    last = errors[-1].strip() if errors else "no message"
    return f"Installing {title} failed ({last}): read {LOG}, then start again."


def explain_os_error(error: OSError) -> str:
    """Turn what the operating system refused into one sentence with the cure."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or getattr(error, "winerror", 0) == 112:
        return NO_SPACE
    where, why = error.filename or ROOT, error.strerror or error
    return f"Cannot write {where} ({why}): put the repository where you may write, then start again."


# ---------------------------------------------------------------- what the user and the commands are told


def say(text: str) -> None:
    """Tell the user what is happening, apart from a verb's own output."""
    show(text + "\n")


def show(text: str) -> None:
    """Write to the terminal at once."""
    sys.stderr.write(text)
    sys.stderr.flush()


def call(command: list[str], **options) -> int:
    """Run a command in the environment until it ends and return its exit code; Ctrl-C is the command's to handle."""
    with subprocess.Popen(command, env=environment_variables(), **options) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue


# ---------------------------------------------------------------- the verb check_env


def check_env(argv: list[str]) -> int:
    """Print one OK / FAIL line per requirement with its cure; works before the environment exists."""
    if argv:
        helped = argv[0] in ("-h", "--help")
        print("usage: course.py check_env", file=sys.stdout if helped else sys.stderr)
        return 0 if helped else 2
    failed = 0
    for verdict, what, cure in requirements():
        print(f"{verdict:<5} {what}" + (f" -> {cure}" if cure else ""), flush=True)
        failed += verdict == "FAIL"
    print(f"{failed} requirement(s) failed." if failed else "Everything that is required is here.")
    return 1 if failed else 0


def requirements() -> Iterator[tuple[str, str, str]]:
    """Yield (OK | FAIL | NOTE, requirement, cure) for everything the course stands on."""
    set_up = "python3 course.py run sets it up"
    yield "OK", "Python {}.{}.{}".format(*sys.version_info[:3]), ""
    ready = is_ready()
    free, needed = shutil.disk_usage(ROOT).free / 1e9, 1.0 if ready else DISK_GB
    enough = free >= needed
    yield (
        "OK" if enough else "FAIL",
        f"disk: {free:.1f} GB free of {needed:.0f} needed",
        "" if enough else "free some",
    )
    cores = os.cpu_count() or 1
    yield (
        ("OK", f"{cores} cores", "")
        if cores > 1
        else ("NOTE", "1 core", "everything takes about twice as long")
    )
    if ready and inside():
        yield "OK", "the environment .venv is as the pins say", ""
        yield from pinned_packages()
    else:
        state = "is incomplete or older than the pins" if VENV.exists() else "is missing"
        yield "FAIL", f"the environment .venv {state}", set_up
    if ready and inside():
        yield from data_files()
    browsers = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
    for name, commands, use in (
        ("Chromium", browsers, "only the tests of the instructor's web pages need it"),
        ("Node.js", ("node",), "only `data build` from a new version of the item package needs it"),
        (
            "bubblewrap",
            ("bwrap",),
            "without it, on Linux, `grade` and `check` shut submissions in by themselves",
        ),
    ):
        found = next(filter(None, map(shutil.which, commands)), None)
        yield ("OK", f"{name}: {found}", "") if found else ("NOTE", f"{name}: not found", use)


def pinned_packages() -> Iterator[tuple[str, str, str]]:
    """Yield a line for every pin of requirements.txt: is it importable, in its version?"""
    from importlib.metadata import PackageNotFoundError, distribution

    again = f"delete {STAMP}, then start any verb"
    try:
        from packaging.requirements import Requirement
    except ImportError:
        yield "FAIL", "packaging: cannot be imported", again
        return
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        pin = Requirement(line)
        if pin.marker and not pin.marker.evaluate():
            continue
        try:
            package = distribution(pin.name)
            if package.version not in pin.specifier:
                yield "FAIL", f"{pin.name} {package.version}: the pin is {pin.specifier}", again
                continue
            import_module(module_of(package))
        except PackageNotFoundError:
            yield "FAIL", f"{pin.name}: not installed", again
        except Exception as error:  # a broken package may raise anything when it is imported
            yield "FAIL", f"{pin.name}: cannot be imported ({type(error).__name__}: {error})", again
        else:
            yield "OK", f"{pin.name} {package.version}", ""


def module_of(package) -> str:  # importlib.metadata.Distribution, not imported at a fast start
    """Return the name under which a distribution is imported (`sklearn` for scikit-learn)."""
    tops = {
        path.parts[0].removesuffix(".py")
        for path in package.files or ()
        if path.suffix == ".py" and (len(path.parts) == 1 or path.parts[1:] == ("__init__.py",))
    }
    own = package.metadata["Name"].lower().replace("-", "_")
    return own if own in tops else min(top for top in tops if not top.startswith("_"))


def data_files() -> Iterator[tuple[str, str, str]]:
    """Yield a line per data file: is it the one that its checksum names?"""
    try:
        checksums, paths = import_module("itemmarket.data.checksums"), import_module("itemmarket.paths")
        for name, problem in checksums.verify_checksums(paths.data_dir()):
            yield (
                ("FAIL", f"data/{name} {problem}", "get the file again")
                if problem
                else ("OK", f"data/{name}", "")
            )
    except Exception as error:  # as above
        yield "FAIL", f"data: {error}", "get the whole repository again"
