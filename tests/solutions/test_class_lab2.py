"""The example class in lab 2."""

from tests.example_class import FULL, ExampleClass


class TestClassOfLab2(ExampleClass):
    lab = "lab2_lstm"
    earns = {  # noqa: RUF012
        "ada": (FULL, "graded"),
        "bela": (0, "graded"),
        "chidi": (FULL, "graded"),
        "dora": (FULL, "graded"),
        "emil": (FULL - 2 - 3, "graded"),  # ensemble and reading
        "hana": (0, "missing"),
        "ivan": (0, "corrupt-notebook"),
    }
    tells = {"emil": "NotImplementedError"}  # noqa: RUF012
    ordinary = ("ada", "bela", "emil", "ivan")
