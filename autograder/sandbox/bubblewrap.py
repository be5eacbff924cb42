"""The view of :mod:`autograder.sandbox.view`, made by bubblewrap (https://github.com/containers/bubblewrap)."""

import os
import shutil
from collections.abc import Sequence
from pathlib import PurePosixPath

from autograder.worker.launch import FOLDER


def is_installed() -> bool:
    """Tell whether the program is on the path."""
    return shutil.which("bwrap") is not None


def command(paths: Sequence[str]) -> list[str]:
    """Return the command line up to the program: ``paths`` can be seen, all else is cut off."""
    command = ["bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    command += ["--unshare-cgroup-try", "--new-session", "--hostname", "sandbox", "--cap-drop", "ALL"]
    if os.geteuid() == 0:  # workers become an ordinary user, whom root's namespaces shut in
        for power in ("CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
            command += ["--cap-add", power]
    else:
        command += ["--unshare-user"]
    for path in paths:
        for parent in reversed(PurePosixPath(path).parents[:-1]):  # else root's view is for root only
            command += ["--perms", "0755", "--dir", str(parent)]
        command += ["--ro-bind-try", path, path]
    command += ["--proc", "/proc", "--dev", "/dev", "--dir", "/tmp", "--tmpfs", FOLDER]
    return [*command, "--remount-ro", "/", "--chdir", "/"]
