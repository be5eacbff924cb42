"""The example class in lab 3."""

from tests.example_class import FULL, ExampleClass


class TestClassOfLab3(ExampleClass):
    lab = "lab3_rarity"
    earns = {  # noqa: RUF012
        "ada": (FULL, "graded"),
        "bela": (0, "graded"),
        "chidi": (FULL, "graded"),
        "dora": (FULL, "graded"),
        "emil": (FULL - 2, "graded"),  # what an artefact of one's own would have earned
        "hana": (0, "missing"),
        "ivan": (0, "corrupt-notebook"),
    }
    ordinary = ("bela", "ivan")
