"""What fit learns, read under today's name and the former one."""

import copy

import pytest

from labkit.former_names import answer_to_former_names, learned
from labkit.student import LocalEndpoint, Student, StudentError
from labkit.workspace import Workspace

MODULE = """
class Today:
    def fit(self):
        self.slope_ = 2.0
        return self

class Former:
    def fit(self):
        self.slope = 3.0
        return self

class Broken:
    @property
    def slope_(self):
        raise OSError("no disk")
    slope = 1.0
"""


@pytest.fixture
def student(tmp_path) -> Student:
    """A submission with a model of each kind."""
    (tmp_path / "line.py").write_text(MODULE, encoding="utf-8")
    workspace = Workspace(tmp_path, "line")
    workspace.do_load()
    return Student(LocalEndpoint(workspace), MODULE)


def test_both_names_are_read(student):
    assert learned(student.Today().fit(), "slope_") == 2
    assert learned(student.Former().fit(), "slope_") == 3


def test_a_model_that_has_neither_is_told_todays_name(student):
    with pytest.raises(StudentError, match="'slope_'"):
        learned(student.Today(), "slope_")


def test_another_error_is_the_models_own(student):
    with pytest.raises(StudentError, match="no disk"):
        learned(student.Broken(), "slope_")


def test_models_answer_to_former_names():
    names: dict = {"__name__": "line"}
    exec(compile(MODULE, "line", "exec"), names)
    answer_to_former_names(names)
    model = names["Today"]()
    assert not hasattr(model, "slope")
    assert model.fit().slope == model.slope_ == copy.deepcopy(model).slope == 2
    assert names["Former"]().fit().slope == 3
    for name in ("intercept", "slope__", "_slope"):
        with pytest.raises(AttributeError, match=f"'Today' object has no attribute '{name}'"):
            getattr(model, name)


def test_what_is_imported_or_learns_nothing_stays_as_it_is():
    class Elsewhere:
        fit = __module__ = None

    class Own:
        def fit(self):
            pass

        def __getattr__(self, name):
            return name

    class Idle:
        pass

    Own.__module__ = Idle.__module__ = "line"
    answer_to_former_names({"__name__": "line", "Elsewhere": Elsewhere, "Own": Own, "Idle": Idle, "n": 1})
    assert Own().slope == "slope"
    assert not hasattr(Elsewhere, "__getattr__") and not hasattr(Idle, "__getattr__")
