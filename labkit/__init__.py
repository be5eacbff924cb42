"""What a lab's checks run on, for students and grader alike: a notebook's ``check`` and the grader agree.

A lab's notebook needs one name of it: ``from labkit import check``.
"""

from labkit.notebook import check

__all__ = ["check"]
