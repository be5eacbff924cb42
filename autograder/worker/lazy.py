"""Modules that others import and few need, executed when an attribute of them is first asked for.

A worker that has to start from nothing imports torch and scikit-learn for three seconds; a quarter of that are these
modules, which scikit-learn imports for functions that the labs do not call. See :class:`importlib.util.LazyLoader`.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

SELDOM_NEEDED = frozenset({"pandas", "scipy.stats"})


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of :data:`SELDOM_NEEDED` as ever, and has them loaded late."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in SELDOM_NEEDED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


def install() -> None:
    """Load these modules late from now on, in this process."""
    sys.meta_path.insert(0, _Finder())
