"""Where a student's code lives: one module, the cells of one notebook, and the objects they make.

A check never holds such an object. It holds a :class:`Reference` to it and gets everything else as plain
data, whether the workspace is in the same process (``check`` in a notebook) or behind a pipe (the
grader): both see a submission in exactly the same way.
"""

import contextlib
import importlib.util
import itertools
import linecache
import os
import random
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

MAX_DEPTH = 16
MESSAGE_CHARS = 2000
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Reference:
    """Stands for an object that stays in the workspace; all that is known of it is its number.

    ``generation`` tells workspaces apart that followed one another; it never leaves the judge's side.
    """

    number: int
    generation: int = 0


def replace(value: Any, kind: type, function: Callable[[Any], Any]) -> Any:
    """Return plain data with each instance of ``kind`` in it replaced by what ``function`` makes of it."""
    if isinstance(value, kind):
        return function(value)
    if isinstance(value, list):
        return [replace(item, kind, function) for item in value]
    if isinstance(value, dict):
        return {key: replace(item, kind, function) for key, item in value.items()}
    return value


def to_plain(value: Any, refer: Callable[[Any], Any], depth: int = 0) -> Any:
    """Return a copy of ``value`` made of plain data only.

    Plain data are None, bool, int (64 bits), float, str, bytes, lists, dicts with str keys, and numpy arrays
    of numbers or truth values. Tuples become lists, numpy scalars Python's, torch tensors and pandas
    columns arrays, arrays of text lists.

    Parameters
    ----------
    value : object
        Anything.
    refer : callable
        Called with each part that is not plain; what it returns takes that part's place.
    depth : int
        How deep ``value`` is nested; below ``MAX_DEPTH`` even lists and dicts are referred to.

    Returns
    -------
    object
        The plain copy.
    """
    kind = type(value)
    if value is None or kind in (bool, float, bytes) or (kind is int and value in _INT64):
        return value
    if isinstance(value, str):
        return str(value).encode("utf-8", "replace").decode()
    if isinstance(value, np.generic):
        return to_plain(value.item(), refer, depth) if value.dtype.kind in "biuf" else refer(value)
    array = _as_array(value)
    if array is not None and array.dtype.kind in "biuf" and array.dtype.itemsize <= 8:
        return np.array(array, dtype=array.dtype.newbyteorder("="), order="C", subok=False)
    if depth >= MAX_DEPTH:
        return refer(value)
    if array is not None and array.dtype.kind in "OUT":
        return to_plain(array.tolist(), refer, depth)
    if isinstance(value, (list, tuple, range)) or kind in (type({}.keys()), type({}.values())):
        return [to_plain(item, refer, depth + 1) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {str(key): to_plain(item, refer, depth + 1) for key, item in value.items()}
    return refer(value)


def _as_array(value: Any) -> np.ndarray | None:
    """Return numpy arrays, torch tensors and pandas columns as an array, None for all else."""
    if isinstance(value, np.ndarray):
        return value
    if (torch := sys.modules.get("torch")) and isinstance(value, torch.Tensor):
        value = value.detach().cpu().resolve_conj().resolve_neg()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    pandas = sys.modules.get("pandas")
    if type(pandas) is ModuleType and isinstance(
        value, (pandas.Series, pandas.Index)
    ):  # not one yet to be loaded
        return value.to_numpy()
    return None


def describe(error: BaseException, folder: str) -> dict[str, Any]:
    """Return an exception as plain data.

    Returns
    -------
    dict
        ``type`` and ``mro`` (qualified class names), ``message`` (at most 2 kB) and ``traceback``, which
        shows only frames of files in ``folder`` and of notebook cells: the student's own.
    """
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(("<cell", folder))
    ]
    try:
        message = str(error)
    except Exception:  # the student's own __str__
        message = "(its message cannot be shown)"
    if isinstance(error, SyntaxError):
        message = f"{message}: {(error.text or '').strip()}"
    lines = "".join(traceback.format_list(frames[-5:])).replace(folder + os.sep, "")
    return {
        "type": _qualified(type(error)),
        "mro": [_qualified(kind) for kind in type(error).__mro__],
        "message": message.encode("utf-8", "replace").decode()[:MESSAGE_CHARS],
        "traceback": lines.encode("utf-8", "replace").decode()[-MESSAGE_CHARS:],
    }


def _qualified(kind: type) -> str:
    """Return a class as "module.name"."""
    return f"{kind.__module__}.{kind.__qualname__}"


class Workspace:
    """The student's side of a check: loads code, keeps its objects, answers requests with plain data.

    Parameters
    ----------
    folder : path-like
        Where the student's files are.
    module : str
        Name of the lab's module, a file in ``folder``.
    names : dict, optional
        Names of a notebook that has already run (the caller's globals); by default there are none yet.
    """

    def __init__(
        self, folder: str | os.PathLike[str], module: str, names: dict[str, Any] | None = None
    ) -> None:
        self.folder = str(Path(folder).resolve())
        self.module = module
        self.names = names if names is not None else {"__name__": "__main__"}
        self._loaded: ModuleType | None = None
        self._objects: dict[int, Any] = {}
        self._numbers = itertools.count(1)

    def answer(self, operation: str, arguments: dict[str, Any]) -> Any:
        """Carry out one request and return its result as plain data; what the student's code raises passes."""
        seed_everything()
        return to_plain(getattr(self, f"do_{operation}")(**arguments), self._refer)

    def do_load(self) -> None:
        """Import the module afresh."""
        path = Path(self.folder, f"{self.module}.py")
        linecache.checkcache(str(path))
        if self.folder not in sys.path:
            sys.path.insert(0, self.folder)
        spec = importlib.util.spec_from_file_location(self.module, path)
        assert spec is not None  # it ends in .py
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[self.module] = loaded
        try:
            exec(compile(path.read_bytes(), str(path), "exec"), loaded.__dict__)  # never a stale .pyc
        except BaseException:
            sys.modules.pop(self.module, None)
            raise
        self._loaded = loaded

    def do_get(self, target: str | Reference, name: str) -> Any:
        """Return an attribute of an object, of the "module", or a name of the "notebook"."""
        if target == "notebook":
            if name not in self.names:
                raise NotImplementedError(f"the notebook does not define {name!r}, or its cell failed")
            return self.names[name]
        if target == "module" and not hasattr(self._loaded, name):
            raise AttributeError(f"{self.module}.py does not define {name!r}")
        return getattr(self._loaded if target == "module" else self._resolve(target), name)

    def do_call(self, target: Reference, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call an object."""
        return self._resolve(target)(*self._resolve(args), **self._resolve(kwargs))

    def do_same(self, one: Reference, other: Reference) -> bool:
        """Tell whether two references stand for the same object."""
        return self._resolve(one) is self._resolve(other)

    def do_forget(self, numbers: list[int]) -> None:
        """Let go of objects that no check refers to any more."""
        for number in numbers:
            self._objects.pop(number, None)

    def do_read_file(self, path: str) -> bytes:
        """Return the content of a file that the student's code wrote."""
        return Path(path).read_bytes()

    def do_write_file(self, path: str, content: bytes) -> None:
        """Write a file for the student's code to read."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content)

    def do_list_files(self, path: str) -> list[str]:
        """Return the files below a folder, relative to it, sorted."""
        return sorted(p.relative_to(path).as_posix() for p in Path(path).rglob("*") if p.is_file())

    def _refer(self, value: Any) -> Reference:
        number = next(self._numbers)
        self._objects[number] = value
        return Reference(number)

    def _resolve(self, value: Any) -> Any:
        return replace(value, Reference, lambda reference: self._objects[reference.number])


def seed_everything(seed: int = 0) -> None:
    """Seed Python's, numpy's and (when it is loaded) torch's global generators."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - students may use the global generator
    if torch := sys.modules.get("torch"):
        with contextlib.suppress(AttributeError):  # a torch that the student replaced
            torch.manual_seed(seed)
