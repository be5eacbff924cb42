"""Notes what a worker's code attempts beyond its own folder: evidence for the instructor, not protection.

The code that is watched runs in the same process and could forge or suppress such notes. Protection is what
the kernel does (see :mod:`autograder.sandbox.confine`); this only says in words what it did not allow.
"""

import os
import sys
from pathlib import Path
from typing import Any

from itemmarket.paths import ROOT, data_dir

MAX_EVENTS = 20
MAX_CHARS = 200

_PROGRAMS = {"os.system": 0, "subprocess.Popen": 0, "os.exec": 0, "os.posix_spawn": 0}
_BY_LIBRARIES = {"fc-list", "lscpu", "ldconfig", "uname"}  # matplotlib, joblib and ctypes ask the system
_QUIET = ("/proc/", "/sys/", "/etc/", "/dev/", "/run/", "/var/", "/tmp", "/usr/", "/lib", "/bin", "/sbin")


class Watch:
    """An audit hook (PEP 578) that keeps a few words about suspicious events.

    Parameters
    ----------
    folder : str
        The worker's own folder.
    """

    def __init__(self, folder: str) -> None:
        packages = [*(ROOT / name for name in ("autograder", "labkit", "itemmarket")), data_dir()]
        own = [folder, sys.prefix, sys.base_prefix, *map(str, packages), *sys.path]
        self._roots = (*(str(Path(path).absolute()) + os.sep for path in own), *_QUIET)
        self._seen: dict[str, bool] = {}
        sys.addaudithook(self._hear)

    def take(self) -> list[str]:
        """Return what was noted since the last call."""
        new = [event for event, taken in self._seen.items() if not taken]
        self._seen.update(dict.fromkeys(new, True))
        return new

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            if not self._is_near(arguments[0]):
                self._note(f"opened {os.fsdecode(arguments[0])}")
        elif event == "socket.connect":
            address = arguments[1]  # a path for the sockets by which processes of one submission talk
            if not (isinstance(address, (str, bytes)) and self._is_near(address)):
                self._note(f"connected to {address!r}")
        elif event in ("os.kill", "os.killpg"):
            self._note(f"sent signal {arguments[1]} to process {arguments[0]}")
        elif event in _PROGRAMS and not self._is_usual(arguments[_PROGRAMS[event]]):
            self._note(f"started {arguments[_PROGRAMS[event]]!r}")

    def _is_near(self, path: str | bytes) -> bool:
        """Tell whether a path is one that honest code uses: its own folder, Python, the system's."""
        absolute = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - links must not be followed
        return (absolute + os.sep).startswith(self._roots)

    def _is_usual(self, program: Any) -> bool:
        """Tell whether a program is one that libraries start: Python itself, or a question to the system."""
        if program is None:
            return True
        name = os.fsdecode(program)
        return (
            name in (sys.executable, getattr(sys, "_base_executable", "")) or Path(name).name in _BY_LIBRARIES
        )

    def _note(self, text: str) -> None:
        if len(self._seen) < MAX_EVENTS:
            self._seen.setdefault(text[:MAX_CHARS], False)
