"""Grades labs without trusting what it grades: a submission runs in one process, its judge in another.

The engine knows no lab. Arrows between its modules point downwards, from the class to the wire::

    cli -> grade -> pool -> judge -> student -> process -> codec      the judge's side
             |                |                    |         |
        gradebook         submission            launch     worker    the submission's side
        feedback          arrangement
        report

How checks see a submission is defined in :mod:`itemmarket.student`, so that a notebook's ``check`` and the
grader agree.
"""

import sys

# nbformat imports jsonschema, which imports this package if it can: it compiles a grammar of IRIs, which no
# notebook holds, and costs every process two seconds.
sys.modules.setdefault("rfc3987_syntax", None)
