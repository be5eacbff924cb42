"""Grades labs without trusting what it grades: a submission runs in one process, its judge in another.

The engine knows no lab. Arrows between its modules point downwards::

    cli  ->  grade  ->  judge  ->  student  ->  process  ->  codec        (the judge's side)
                 gradebook, feedback, report      worker ---^             (the submission's side)
"""
