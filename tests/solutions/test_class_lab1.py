"""The example class in lab 1."""

from tests.example_class import FULL, ExampleClass


class TestClassOfLab1(ExampleClass):
    lab = "lab1_mlp"
    in_run = True
    earns = {  # noqa: RUF012
        "ada": (FULL, "graded"),
        "bela": (0, "graded"),
        "chidi": (FULL, "graded"),
        "dora": (FULL, "graded"),
        "emil": (FULL - 3 - 3 - 1, "graded"),  # artefact, reading, documentation
        "fatima": (FULL - 4, "graded"),  # a test that notices no bug costs nothing else
        # Scaling, comparison, reading and documentation in full, parts of network, validation and prediction.
        "goran": (2 + 2 * 2 / 3 + 2 * 5 / 6 + 2 * 1 / 5 + 2 + 3 + 1, "timed-out"),
        "hana": (0, "missing"),
        "ivan": (FULL - 2 - 3, "corrupt-notebook"),  # comparison and reading are in the notebook
        "jun": (FULL, "graded"),
    }
    within = {"goran": 0.5}  # noqa: RUF012
    tells = {  # noqa: RUF012
        "fatima": "your tests noticed 0 of 22",
        "jun": "Cell comparison_code occurs 2 times",
    }
