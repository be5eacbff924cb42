"""Modules that others import and few need, executed when a name of theirs is first asked for.

A worker that has to start from nothing takes over four seconds for torch and scikit-learn, and half of that goes to
these modules: scikit-learn imports them for functions that the labs do not call, and an optimiser's first step asks
torch's compiler to stay out of the way. :class:`importlib.util.LazyLoader` is not enough: its modules load when
anybody looks at their ``__file__``, as :func:`inspect.getmodule` does with all of them.
"""

import importlib.abc
import importlib.machinery
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any


def _stays_out(*arguments: Any, **options: Any) -> None:
    """Break no graph, where nothing is compiled."""


def _as_it_is(function: Callable[..., Any] | None = None, *arguments: Any, **options: Any) -> Any:
    """Return a function, which nothing will compile, or what returns it."""
    return function if function is not None else _as_it_is


LATE: Mapping[str, Mapping[str, Any]] = {
    "pandas": {},
    "scipy.stats": {},
    "torch._dynamo": {"graph_break": _stays_out, "disable": _as_it_is},
}
"""Modules to load late, and what they answer before: as they would while they have nothing to do."""

_loading = threading.RLock()


class LateModule(ModuleType):
    """A module that has its name, its place and what :data:`LATE` gives it, until it is asked for something else."""

    def __getattr__(self, name: str) -> Any:
        """Return what stands in :data:`LATE`, or execute the module, which from then on is one like any other."""
        if name in LATE[self.__name__]:
            return LATE[self.__name__][name]
        if name.startswith("__") and name not in ("__all__", "__version__"):
            raise AttributeError(name)
        load(self)
        return getattr(self, name)


def load(module: ModuleType) -> None:
    """Execute a module, unless that has been done."""
    with _loading:
        if type(module) is LateModule:
            module.__class__ = ModuleType  # type: ignore[assignment]  # a plain one: also while it is executed, when its own parts ask for its names
            assert module.__spec__ is not None and isinstance(module.__spec__.loader, _Late)
            module.__spec__.loader.loader.exec_module(module)


class _Late(importlib.abc.Loader):
    """Loads a module as ``loader`` does, but late."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self.loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = LateModule


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of :data:`LATE` where they are, and has them loaded late: before a part of them, though."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if (package := sys.modules.get(fullname.rpartition(".")[0])) is not None:
            load(package)
        if fullname not in LATE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Late(spec.loader)
        return spec


def install() -> None:
    """Load these modules late from now on, in this process."""
    sys.meta_path.insert(0, _Finder())
