"""Attacks on the submissions that come later: through memory, files, and whatever else outlives a process."""

from pathlib import Path

from tests.labs.handing_in import FOLDER
from tests.redteam.desk import NO_TESTS, NOTHING, RIGHT, Desk, case

MARK = "left-by-the-red-team"
"""Part of the name of every file that an attack leaves outside its folder."""


def _solution() -> str:
    return (FOLDER / "slope.py").read_text(encoding="utf-8")


def _accomplice(send: str):
    """Return who hands in right work that also sends it to the next one."""

    def write(desk: Desk) -> None:
        attempt = f"try:\n    exec({send!r})\nexcept Exception as error:\n    print(error)"
        desk.right(append=f"_SOLUTION = {_solution()!r}\n{attempt}")

    return write


@case("later submissions", NO_TESTS, at_most=True)
def modules_patched(desk: Desk) -> None:
    """A right answer leaves numpy, the helper package, paths and builtins broken for whoever shares the process."""
    desk.right(
        """
        import builtins, random, sys, itemmarket, labkit.workspace, labkit.runner
        answer = self.slope * x + self.intercept
        for module in (np, np.linalg, random, itemmarket, labkit.workspace, labkit.runner):
            for name, value in list(vars(module).items()):
                if callable(value) and not name.startswith("__"):
                    setattr(module, name, None)
        builtins.round = builtins.len = None
        sys.path[:] = ["/nowhere"]
        return answer
        """
    )


@case("later submissions", NOTHING, at_most=True)
def everything_patched_at_once(desk: Desk) -> None:
    """All functions of all modules are replaced while the module is imported."""
    desk.stub(
        """
        import sys
        for _module in list(sys.modules.values()):
            for _name, _value in list(getattr(_module, "__dict__", {}).items()):
                if callable(_value) and not _name.startswith("__") and _module.__name__ not in ("builtins", "sys"):
                    try:
                        setattr(_module, _name, lambda *args, **kwargs: True)
                    except Exception:
                        continue
        """
    )


FILES = """
import pathlib, os
places = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/root", "/home", "/", "/proc/self/cwd/.."]
places += [str(pathlib.Path.home())]
places += [str(parent) for parent in pathlib.Path.cwd().parents] + [r"@SUBMITTED@", r"@OUT@", r"@LAB@"]
for place in dict.fromkeys(places):
    try:
        pathlib.Path(place, "MARK.py").write_text(_SOLUTION)
    except OSError:
        continue
""".replace("MARK", MARK)


@case("later submissions", NOTHING, needs_full=True, accomplice=_accomplice(FILES))
def files_left_behind(desk: Desk) -> None:
    """An earlier submission leaves the solution in every folder that can be written; this one looks for it."""
    desk.stub(
        FILES.replace(
            "write_text(_SOLUTION)", "read_text(); exec(pathlib.Path(place, 'MARK.py').read_text())"
        ).replace("MARK", MARK)
    )


SYSTEM_V = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
KEY, SIZE = 0x52454454, 1 << 16
"""


@case(
    "later submissions",
    NOTHING,
    needs_full=True,
    accomplice=_accomplice(
        SYSTEM_V
        + "number = libc.shmget(KEY, SIZE, 0o1666)\nplace = libc.shmat(number, None, 0)\n"
        + "ctypes.memmove(place, _SOLUTION.encode(), len(_SOLUTION.encode()))"
    ),
)
def shared_memory(desk: Desk) -> None:
    """An earlier submission leaves the solution in System V shared memory; this one looks for it."""
    desk.stub(
        SYSTEM_V
        + "number = libc.shmget(KEY, SIZE, 0o666)\n"
        + "if number >= 0:\n    exec(ctypes.string_at(libc.shmat(number, None, 0)).decode())\n"
        + "    libc.shmctl(number, 0, None)"
    )


@case(
    "later submissions",
    NOTHING,
    needs_full=True,
    accomplice=_accomplice(
        """
import os, socket, time
server = socket.socket(socket.AF_UNIX)
server.bind("\\0red-team")
server.listen()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        server.settimeout(60)
        while True:
            client, _ = server.accept()
            client.sendall(_SOLUTION.encode())
            client.close()
    os._exit(0)
"""
    ),
)
def abstract_socket(desk: Desk) -> None:
    """A daemon of an earlier submission offers the solution on an abstract socket; this one asks for it."""
    desk.stub(
        """
        import socket
        try:
            _client = socket.socket(socket.AF_UNIX)
            _client.settimeout(5)
            _client.connect("\\0red-team")
            exec(_client.makefile().read())
        except OSError as error:
            print(error)
        """
    )


@case(
    "later submissions",
    NOTHING,
    needs_full=True,
    accomplice=_accomplice(
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        "for ring in (-3, -4, -5):\n"
        "    libc.syscall(248, b'user', b'red-team', _SOLUTION.encode(), len(_SOLUTION.encode()), ring)"
    ),
)
def kernel_keyring(desk: Desk) -> None:
    """An earlier submission leaves the solution in the user's kernel keyring; this one looks for it."""
    desk.stub(
        """
        import ctypes
        _libc = ctypes.CDLL(None)
        for _ring in (-3, -4, -5):
            _key = _libc.syscall(250, 10, _ring, b"user", b"red-team", 0)
            if _key > 0:
                _buffer = ctypes.create_string_buffer(1 << 16)
                _size = _libc.syscall(250, 11, _key, _buffer, len(_buffer))
                if _size > 0:
                    exec(_buffer.raw[:_size].decode())
                break
        """
    )


@case("later submissions", RIGHT, needs_full=True)
def installed_modules_written(desk: Desk) -> None:
    """Files are written beside installed modules, where every later process would import or read them."""
    desk.right(
        append=f"""
        import pathlib, sys, itemmarket, autograder
        _places = [pathlib.Path(module.__file__).parent for module in (np, itemmarket, autograder)]
        _places += [place.parent for place in _places] + [pathlib.Path(place) for place in sys.path if place]
        _places += [place / "__pycache__" for place in _places]
        for _place in _places:
            for _name in ("{MARK}.pth", "{MARK}.pyc"):
                try:
                    (_place / _name).write_text("# nothing\\n")
                except OSError:
                    continue
        for _module in (np, itemmarket):
            try:
                with open(_module.__file__, "r+b"):
                    (pathlib.Path(_module.__file__).parent / "{MARK}.pth").write_text("# nothing\\n")
            except OSError:
                continue
        """
    )


def left_behind(places: list[Path]) -> list[Path]:
    """Return files in these folders, and in those of the attacks above, that carry the mark; and remove them."""
    usual = [Path(p) for p in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/root", "/home", "/")]
    found = [path for place in {*places, *usual, Path.home()} for path in place.glob(f"{MARK}*")]
    for path in found:
        path.unlink(missing_ok=True)
    return found
