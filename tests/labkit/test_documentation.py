"""numpydoc's objections to a student's module, in words; a stub is work to do, and no objection."""

import pytest

from labkit.documentation import numpydoc_errors

GOOD = '''"""A module."""


def double(x):
    """Return twice a number.

    Parameters
    ----------
    x : float
        The number.

    Returns
    -------
    float
        Twice.
    """
    return 2 * x
'''


def test_a_documented_module_is_clean():
    assert numpydoc_errors(GOOD) == []


def test_what_is_missing_is_named():
    (error,) = numpydoc_errors(
        GOOD.replace("    x : float\n        The number.\n", "    z : float\n        It.\n")
    )[:1]
    assert "double" in error
    assert any(
        "double" in error for error in numpydoc_errors('"""M."""\n\n\ndef double(x):\n    return 2 * x\n')
    )


def test_private_functions_need_no_docstring():
    assert numpydoc_errors(GOOD + "\n\ndef _helper(x):\n    return x\n") == []


def test_a_stub_is_not_done_yet():
    with pytest.raises(NotImplementedError, match="double"):
        numpydoc_errors('"""M."""\n\n\ndef double(x):\n    raise NotImplementedError()\n')


@pytest.mark.parametrize(
    "last", ["return 'NotImplementedError'", "raise RuntimeError('NotImplementedError')"]
)
def test_a_function_that_only_names_the_exception_is_no_stub(last):
    assert numpydoc_errors(f'"""M."""\n\n\ndef double(x):\n    {last}\n')


DECORATOR = (
    GOOD
    + """

def timed(method):
    '''Return a method, measured.

    Parameters
    ----------
    method : callable
        The method.

    Returns
    -------
    callable
        The same.
    '''
    def inner(x):
        return method(x)

    return inner
"""
)


def test_what_a_function_defines_inside_is_not_public():
    assert numpydoc_errors(DECORATOR) == []
    outside = (
        DECORATOR + "\n\nclass Table:\n    '''A table.'''\n\n    def inner(self, x):\n        return x\n"
    )
    assert any("Table.inner" in error for error in numpydoc_errors(outside))
