"""The package alone: what it depends on, and what it says where only it was installed."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.test_architecture import COMES_WITH, OTHER_NAMES, OURS, imports, sources


@pytest.fixture(scope="module")
def project(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(requirements: list[str]) -> set[str]:
    return {Requirement(line).name for line in requirements}


def at_the_top(path: Path) -> set[str]:
    """The packages that importing a file imports."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    found = {alias.name for node in body if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module for node in body if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in found}


def distributions(modules: set[str]) -> set[str]:
    """What has to be installed for these imports."""
    third_party = modules - sys.stdlib_module_names - OURS
    return {COMES_WITH.get(name, OTHER_NAMES.get(name, name)) for name in third_party}


def test_the_pins_are_in_the_ranges(root: Path, project: dict) -> None:
    pins = {
        pin.name: next(iter(pin.specifier)).version
        for line in (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
        for pin in [Requirement(line)]
    }
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    for wanted in map(Requirement, [*project["dependencies"], *extras]):
        assert wanted.specifier, f"{wanted.name} has no range"
        assert wanted.specifier.contains(pins[wanted.name]), (wanted, pins[wanted.name])


def test_what_the_package_imports_is_declared(root: Path, project: dict) -> None:
    base, extras = names(project["dependencies"]), project["optional-dependencies"]
    loaded = distributions({name for path in sources(root, "itemmarket") for name in at_the_top(path)})
    assert loaded <= base, "what a module imports when it is imported is no extra"
    every = distributions({name for path in sources(root, "itemmarket") for name in imports(path)})
    assert every <= base | names(extras["torch"])
    assert base <= every, "a dependency that nothing imports"
    checks = distributions({name for path in sources(root, "labkit") for name in imports(path)})
    assert names(extras["labs"]) <= checks <= base | names(extras["labs"])


@pytest.fixture(scope="module")
def installed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as its wheel installs it: unpacked, away from the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"  # setuptools builds where the source lies
    copy.mkdir()
    for package in ("itemmarket", "labkit"):
        for path in sources(root, package):
            target = copy / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    for path in root.glob("*"):
        if path.name in ("pyproject.toml", "README.md", "NOTICE") or path.name.startswith("LICENSE"):
            (copy / path.name).write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    built = subprocess.run([*command, "-w", folder, copy], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("itemmarket-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_the_two_packages(root: Path, installed: Path) -> None:
    folders = {path.name for path in installed.iterdir()}
    assert folders == {"itemmarket", "labkit", *(name for name in folders if name.endswith(".dist-info"))}
    for package in ("itemmarket", "labkit"):
        wanted = {path.relative_to(root) for path in sources(root, package)}
        assert {path.relative_to(installed) for path in (installed / package).rglob("*.py")} == wanted


SIMULATE = """
import itemmarket as im
assert im.__file__.startswith({site!r}), im.__file__
print(len(im.simulate_market(3, "2026-01-01", "2026-06-30", seed=1)))
"""


@pytest.mark.parametrize("given", [True, False], ids=["with the data", "without"])
def test_from_an_empty_folder(root: Path, installed: Path, tmp_path: Path, given: bool) -> None:
    """The libraries are those of this environment; the package is the wheel's."""
    env = {key: value for key, value in os.environ.items() if key != "ITEMMARKET_DATA"}
    env["PYTHONPATH"] = str(installed)
    if given:
        env["ITEMMARKET_DATA"] = str(root / "data")
    command = [sys.executable, "-c", SIMULATE.format(site=str(installed))]
    ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    if given:
        assert ran.returncode == 0, ran.stderr
        assert int(ran.stdout) > 100
    else:
        last = ran.stderr.splitlines()[-1]
        assert re.fullmatch(
            r"itemmarket\.errors\.MarketDataError: there is no data folder at .*: "
            r"set the environment variable ITEMMARKET_DATA to the folder data/ of a copy of the course",
            last,
        )
