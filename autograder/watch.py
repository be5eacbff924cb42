"""Notes what a worker's code attempts beyond its own folder: evidence for the instructor, not protection.

The code that is watched runs in the same process and could forge or suppress such notes. Protection is what
the kernel does (see :mod:`autograder.confine`); this only says in words what it did not allow.
"""

import os
import sys
from pathlib import Path
from typing import Any

from itemmarket.paths import data_dir

ENGINE = Path(__file__).resolve().parent.parent
MAX_EVENTS = 20
MAX_CHARS = 200

_PROGRAMS = {"os.system": 0, "subprocess.Popen": 0, "os.exec": 0, "os.posix_spawn": 0}
_QUIET = ("/proc/", "/sys/", "/etc/", "/dev/", "/run/", "/var/", "/tmp", "/usr/", "/lib", "/bin", "/sbin")


class Watch:
    """An audit hook (PEP 578) that keeps a few words about suspicious events.

    Parameters
    ----------
    folder : str
        The worker's own folder.
    """

    def __init__(self, folder: str) -> None:
        packages = [Path(__file__).parent, ENGINE / "itemmarket", data_dir()]
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
            path = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100 - links must not be followed
            if not (path + os.sep).startswith(self._roots):
                self._note(f"opened {path}")
        elif event == "socket.connect":
            self._note(f"connected to {arguments[1]!r}")
        elif event in ("os.kill", "os.killpg"):
            self._note(f"sent signal {arguments[1]} to process {arguments[0]}")
        elif event in _PROGRAMS and not self._is_python(arguments[_PROGRAMS[event]]):
            self._note(f"started {arguments[_PROGRAMS[event]]!r}")

    def _is_python(self, program: Any) -> bool:
        """Tell whether a program is Python itself: multiprocessing and joblib start it."""
        return program is None or os.fsdecode(program) in (
            sys.executable,
            getattr(sys, "_base_executable", ""),
        )

    def _note(self, text: str) -> None:
        if len(self._seen) < MAX_EVENTS:
            self._seen.setdefault(text[:MAX_CHARS], False)
