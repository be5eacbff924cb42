"""The example class in lab 2."""

from .material import Files, Material, without_answer
from .six import six


def submissions(lab: Material) -> dict[str, Files]:
    """Return each student's files."""
    module, tests = lab.solution[lab.module], lab.solution[lab.tests]
    stub, task = lab.stub[lab.module], "def ensemble_weight("
    late = (
        lab.solution
        | {  # nothing after task 8: neither the ensemble, nor its test, nor answers
            lab.module: module[: module.index(task)] + stub[stub.index(task) :],
            lab.tests: tests[: tests.index("def test_ensemble_weight(")].rstrip() + "\n",
            lab.notebook: without_answer(lab.solution[lab.notebook], lab.stub[lab.notebook], "reading_code"),
        }
    )
    return six(
        lab,
        variant="data_loader",
        epoch="        for epoch in range(self.max_epochs):\n",
        mistaken=late,
    )
