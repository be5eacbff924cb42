"""Grades labs without trusting what it grades: a submission runs in one process, its judge in another.

The engine knows no lab. Its rooms lie along the way of a submission, and each imports only from those to its right::

    cli -> running -> results, sandbox -> judging -> intake -> worker, labs

``release`` stands beside them and uses ``labs``; ``selftest`` tries what ``sandbox`` holds. How checks see a submission
is defined in :mod:`labkit`, so that a notebook's ``check`` and the grader agree.
"""

import sys

# nbformat imports jsonschema, which imports this package if it can: it compiles a grammar of IRIs, which no
# notebook holds, and costs every process two seconds.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # None: there is none
