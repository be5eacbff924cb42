"""What fit learns, under the name that it had in the labs' first stubs: ``network`` for ``network_``.

The labs' models became scikit-learn estimators when some had already been written: in those the names of what ``fit``
learns do not end in ``_``. Such work is right, and is worth the same. So checks read with :func:`learned` what a model
has learned, and what students' own tests meet beside the student's module answers to both names.
"""

from typing import Any

from labkit.student import Handle, StudentError


def learned(model: Handle, name: str) -> Any:
    """Return what a student's model has learned, under today's name or the former one.

    Parameters
    ----------
    model : Handle
        An object of the submission, fitted.
    name : str
        Today's name of the attribute; it ends in ``_``.

    Returns
    -------
    object
        The attribute, as plain data or as another handle.

    Raises
    ------
    StudentError
        What reading today's name raised, where the model has neither.
    """
    try:
        return getattr(model, name)
    except StudentError as error:
        if not error.is_a(AttributeError):
            raise
        try:
            return getattr(model, name.removesuffix("_"))
        except StudentError:
            raise error from None


def answer_to_former_names(module: dict[str, Any]) -> None:
    """Let all models of a module answer to the former names of what they learn, too.

    Parameters
    ----------
    module : dict
        The module's names. Its classes that have a ``fit``, and no ``__getattr__`` of their own, get one.
    """
    for kind in list(module.values()):
        own = isinstance(kind, type) and kind.__module__ == module["__name__"]
        if own and hasattr(kind, "fit") and not hasattr(kind, "__getattr__"):
            kind.__getattr__ = _under_todays_name


def _under_todays_name(model: Any, name: str) -> Any:
    """Return an attribute that is missing from what it is called today."""
    state = getattr(model, "__dict__", {})
    if not name.startswith("_") and f"{name}_" in state:
        return state[f"{name}_"]
    raise AttributeError(f"{type(model).__name__!r} object has no attribute {name!r}", name=name, obj=model)
