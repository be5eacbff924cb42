"""Isolation by a container engine: what macOS and Windows have, with the same protocol over its pipes.

The image is built from the repository's Dockerfile. CPU time inside a container cannot be seen from outside:
deadlines are wall-clock there, and the kernel's limit on CPU time ends what runs on.
"""

import os
import shutil
import subprocess

from autograder.worker.launch import FOLDER, WorkerSpec, worker_settings

IMAGE = "itemmarket-course"
IMAGE_VARIABLE = "COURSE_GRADER_IMAGE"
ENGINES = ("podman", "docker")
_SECONDS = 20


class Container:
    """Starts each worker in a container of its own: a :class:`~autograder.worker.launch.Launch`.

    Parameters
    ----------
    engine : str
        The program to call, ``podman`` or ``docker``.
    image : str
        The image that holds the course.
    """

    name = "container"
    folder = FOLDER

    def __init__(self, engine: str, image: str) -> None:
        self._engine, self._image = engine, image

    def __call__(self, spec: WorkerSpec) -> "subprocess.Popen[bytes]":
        """Start a worker; ending the engine's client ends the container, which ``--rm`` removes."""
        pipe = subprocess.PIPE
        return subprocess.Popen(self.command(spec), stdin=pipe, stdout=pipe, stderr=pipe)

    def command(self, spec: WorkerSpec) -> list[str]:
        """Return the command line: no network, no powers, nothing writable but two bounded tmpfs."""
        disk = f"size={spec.disk_bytes},mode=1777"
        options = ["--rm", "--interactive", "--init", "--network=none", "--read-only", "--cap-drop=ALL"]
        options += ["--security-opt=no-new-privileges", "--user=65534:65534", f"--workdir={spec.folder}"]
        options += [f"--tmpfs={spec.folder}:{disk}", f"--tmpfs=/tmp:{disk}"]
        options += [f"--memory={spec.memory_bytes}", f"--memory-swap={spec.memory_bytes}"]
        options += [f"--pids-limit={spec.processes}", f"--ulimit=cpu={spec.cpu_seconds}"]
        options += [f"--env={name}={value}" for name, value in worker_settings(spec.folder).items()]
        return [self._engine, "run", *options, "--entrypoint=python", self._image, *spec.arguments]


def find() -> Container:
    """Return the launch of this machine's container engine.

    Raises
    ------
    OSError
        If there is no engine, or no image: what to do.
    """
    engine = next((name for name in ENGINES if shutil.which(name)), None)
    if engine is None:
        raise OSError("neither podman nor docker is installed")
    image = os.environ.get(IMAGE_VARIABLE, IMAGE)
    try:
        known = subprocess.run(
            [engine, "image", "inspect", image], capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"{engine} does not answer: is its service running?") from None
    if known.returncode:
        said = known.stderr.decode("utf-8", "replace").strip().splitlines()
        raise OSError(
            f"{engine} has no image {image!r} ({said[-1] if said else 'no reason given'}): "
            f"`{engine} build -t {image} .` in the repository makes it"
        )
    return Container(engine, image)


def available() -> str:
    """Return why containers cannot be had here; empty when they can."""
    try:
        find()
    except OSError as error:
        return str(error)
    return ""
