"""How a check sees a submission: names, calls and plain data, and never an object of the student's.

The same classes serve ``check`` in a notebook (the code runs in this process) and the grader (it runs
behind a pipe), so that a check has the same verdict in both.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from labkit.workspace import MESSAGE_CHARS, Reference, Workspace, describe, replace, to_plain


class SubmissionError(Exception):
    """Anything for which the submission, and not the check, is to blame; its text is meant for the student."""


class Endpoint(Protocol):
    """What carries requests to a workspace."""

    folder: str
    forgotten: list[Reference]
    lives: int

    def answer(self, operation: str, arguments: dict[str, Any], label: str) -> Any:
        """Carry out one request; see :class:`labkit.workspace.Workspace`."""


class StudentError(SubmissionError):
    """An exception that the student's code raised.

    Attributes
    ----------
    kind : str
        Name of its class.
    mro : list of str
        Qualified names of its class and the bases.
    message, traceback : str
        Its message, and the student's own frames.
    original : BaseException or None
        The exception itself, where the code ran in this process.
    """

    def __init__(self, label: str, described: dict[str, Any], original: BaseException | None = None) -> None:
        self.kind = str(described.get("type", "?")).removeprefix("builtins.").rsplit(".", 1)[-1]
        self.mro = [name for name in described.get("mro", []) if isinstance(name, str)]
        self.message = str(described.get("message", ""))[:MESSAGE_CHARS]
        self.traceback = str(described.get("traceback", ""))[:MESSAGE_CHARS]
        self.original = original
        super().__init__(f"{label} raised {self.kind}" + (f": {self.message}" if self.message else ""))

    def is_a(self, expected: type[BaseException] | tuple[type[BaseException], ...]) -> bool:
        """Tell whether the exception is an instance of a class (compared by qualified name)."""
        classes = expected if isinstance(expected, tuple) else (expected,)
        return any(f"{kind.__module__}.{kind.__qualname__}" in self.mro for kind in classes)


class Handle:
    """An object of the submission: attributes, calls and methods work, all else stays with the student."""

    def __init__(self, endpoint: Endpoint, reference: Reference, path: str) -> None:
        self._endpoint, self._reference, self._path = endpoint, reference, path

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the object, as plain data or as another handle."""
        if name.startswith("__"):
            raise AttributeError(name)  # numpy and pytest probe for protocols; none reaches across
        return _ask(self._endpoint, "get", f"{self._path}.{name}", target=self, name=name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the object with plain data and handles."""
        return _ask(self._endpoint, "call", self._path, target=self, args=list(args), kwargs=kwargs)

    def __eq__(self, other: object) -> bool:
        """Tell whether both are the same object of the submission."""
        return isinstance(other, Handle) and _ask(self._endpoint, "same", self._path, one=self, other=other)

    __hash__ = None  # type: ignore[assignment]  # as Python does it for what can be compared

    def __repr__(self) -> str:
        """Say how a check came by the object."""
        return f"<{self._path} of the submission>"

    def __del__(self) -> None:
        """Let the submission forget the object."""
        with contextlib.suppress(AttributeError):
            self._endpoint.forgotten.append(self._reference)


def _ask(endpoint: Endpoint, operation: str, label: str, **arguments: Any) -> Any:
    """Send a request with handles in it, and return the answer with handles in it."""

    def outgoing(value: Any) -> Reference:
        if isinstance(value, Handle):
            return value._reference
        raise TypeError(
            f"a check can send plain data and the student's own objects, not a {type(value).__name__}"
        )

    answer = endpoint.answer(operation, to_plain(arguments, outgoing), label)
    shown = label if operation == "get" else f"{label}(...)"
    return replace(answer, Reference, lambda reference: Handle(endpoint, reference, shown))


class Student:
    """The fixture ``student``: names of the submission's module are its attributes.

    Attributes
    ----------
    notebook : namespace
        Names that the notebook's cells define.
    source : str
        The module's text.
    tmp_path : str
        A folder that the student's code can read and write.
    memo : dict
        For checks to keep what is costly and shared, such as a fitted model; emptied when objects are lost.
    """

    def __init__(self, endpoint: Endpoint, source: str) -> None:
        self._endpoint = endpoint
        self.source = source
        self.tmp_path = str(Path(endpoint.folder, "checks"))
        self.memo: dict[str, Any] = {}
        self.notebook = _Names(endpoint)

    def __getattr__(self, name: str) -> Any:
        """Return a name of the module."""
        if name.startswith("__"):
            raise AttributeError(name)
        return _ask(self._endpoint, "get", name, target="module", name=name)

    @property
    def lives(self) -> int:
        """Which process this is: objects of earlier ones are lost."""
        return self._endpoint.lives

    @contextlib.contextmanager
    def raises(
        self, expected: type[BaseException] | tuple[type[BaseException], ...], match: str | None = None
    ) -> Iterator[None]:
        """Pass when the student's code raises ``expected`` with a message in which ``match`` is found."""
        names = " or ".join(k.__name__ for k in (expected if isinstance(expected, tuple) else (expected,)))
        try:
            yield
        except StudentError as error:
            if not error.is_a(expected):
                raise
            if match is not None and not re.search(match, error.message):
                wrong = f"{error.kind} was raised, but its message {error.message!r} does not match {match!r}"
                raise AssertionError(wrong) from None
            return
        raise AssertionError(f"no {names} was raised")

    def path(self, name: str) -> str:
        """Return the path of a file or folder under ``tmp_path``, as the student's code sees it."""
        return str(Path(self.tmp_path, name))

    def read_file(self, name: str) -> bytes:
        """Return a file under ``tmp_path``."""
        return _ask(self._endpoint, "read_file", f"reading {name}", path=self.path(name))

    def write_file(self, name: str, content: bytes) -> None:
        """Write a file under ``tmp_path``."""
        _ask(self._endpoint, "write_file", f"writing {name}", path=self.path(name), content=content)

    def list_files(self, name: str = ".") -> list[str]:
        """Return all files below a folder under ``tmp_path``, relative to it."""
        return _ask(self._endpoint, "list_files", f"listing {name}", path=self.path(name))


class _Names:
    """The names of the notebook, as attributes."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _ask(self._endpoint, "get", name, target="notebook", name=name)


class LocalEndpoint:
    """Carries out requests in this process: for ``check`` in a notebook."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.folder = workspace.folder
        self.forgotten: list[Reference] = []
        self.lives = 1

    def answer(self, operation: str, arguments: dict[str, Any], label: str) -> Any:
        """Carry out one request."""
        try:
            return self._workspace.answer(operation, arguments)
        except Exception as error:
            raise StudentError(label, describe(error, self.folder), original=error) from error
