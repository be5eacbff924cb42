"""What CI runs: style, derived files, the workflow, and the rule that our own machine skips nothing."""

import os
import re
import shlex
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import course

WORKFLOW = Path(".github/workflows/ci.yml")


def run(root: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a module of the environment in the repository."""
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, encoding="utf-8", **options)


@pytest.fixture(scope="module")
def jobs(root: Path) -> dict[str, dict]:
    """The jobs of the workflow."""
    return yaml.safe_load((root / WORKFLOW).read_text(encoding="utf-8"))["jobs"]


def commands_of(jobs: dict[str, dict]) -> list[str]:
    """Return what the workflow runs, matrix values put in."""
    matrix = [row["command"] for row in jobs["gate"]["strategy"]["matrix"]["include"]]
    return matrix + [step["run"] for step in jobs["test"]["steps"] if "run" in step]


# ---------------------------------------------------------------- the repository


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]], ids=" ".join)
def test_style(root: Path, arguments: list[str]) -> None:
    result = run(root, "ruff", *arguments, "--quiet", ".")
    assert result.returncode == 0, result.stdout + result.stderr


def test_types(root: Path) -> None:
    """mypy is strict about the packages; pyproject.toml says where it cannot be, and why."""
    result = run(root, "mypy")
    assert result.returncode == 0, result.stdout + result.stderr


def test_derived_files_are_up_to_date(root: Path) -> None:
    result = subprocess.run(
        [sys.executable, str(root / "course.py"), "release", "--check"],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_constraints_hold_every_requirement(root: Path) -> None:
    def pins(name: str) -> dict[str, str]:
        lines = (root / name).read_text(encoding="utf-8").splitlines()
        found = [re.match(r"([\w.-]+)==([\w.]+)", line) for line in lines if line.strip() and line[0] != "#"]
        assert all(found), name
        return {match[1].lower(): match[2] for match in found}

    direct, every = pins("requirements.txt"), pins("constraints.txt")
    assert {name: every.get(name, pin) for name, pin in direct.items()} == direct


# ---------------------------------------------------------------- .ci/run


def test_our_machine_runs_what_the_readme_says(root: Path) -> None:
    lines = (root / ".ci/run").read_text(encoding="utf-8").splitlines()
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert "set -euo pipefail" in lines
    assert "export COURSE_REQUIRE_ALL=1" in lines
    assert lines[-1] == "python3 course.py test"
    assert re.search(rf"^{re.escape(lines[-1])}$", readme, re.MULTILINE)
    assert not any("||" in line for line in lines if "course.py" in line)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no executable bit")
def test_ci_run_is_executable(root: Path) -> None:
    assert (root / ".ci/run").stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", root / ".ci/run"], check=True)


# ---------------------------------------------------------------- the workflow


def test_workflow_keeps_githubs_schema(root: Path) -> None:
    result = run(
        root, "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(root / WORKFLOW)
    )
    assert result.returncode == 0, result.stdout


def test_workflow_runs_the_readmes_check_on_three_systems(root: Path, jobs: dict[str, dict]) -> None:
    matrix = jobs["test"]["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    oldest = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "requires-python"
    ]
    assert oldest.removeprefix(">=") in matrix["python"]
    assert "python course.py test" in commands_of(jobs)


@pytest.mark.parametrize("verb", ["run", "notebooks", "release", "bench lab1 --gate", "bench lab2 --gate"])
def test_workflow_has_its_gates(jobs: dict[str, dict], verb: str) -> None:
    assert any(command.startswith(f"python course.py {verb}") for command in commands_of(jobs))


def test_workflow_runs_only_verbs_that_exist(jobs: dict[str, dict]) -> None:
    for command in commands_of(jobs):
        python, file, verb, *_ = shlex.split(command)
        assert (python, file) == ("python", "course.py")
        assert verb in course.VERBS


def test_workflow_is_pinned_bounded_and_least_privileged(root: Path, jobs: dict[str, dict]) -> None:
    text = (root / WORKFLOW).read_text(encoding="utf-8")
    whole = yaml.safe_load(text)
    assert whole["permissions"] == {"contents": "read"}
    assert whole["concurrency"]["cancel-in-progress"] is True
    for uses in re.findall(r"uses: (.+)", text):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", uses), uses
    for name, job in jobs.items():
        assert 0 < job["timeout-minutes"] <= 60, name
        assert "continue-on-error" not in str(job)
    for command in commands_of(jobs):
        assert "||" not in command
        assert not command.endswith("exit 0")


# ---------------------------------------------------------------- skips

SKIPS = """
import pytest

def test_lack():
    pytest.skip("machine: no browser")

@pytest.mark.skipif(True, reason="machine: no sandbox")
def test_marked():
    pass

def test_choice():
    pytest.skip("not on this system")

@pytest.mark.xfail(reason="machine: expected")
def test_expected():
    raise AssertionError

def test_good():
    pass
"""


def pytest_in(folder: Path, root: Path, source: str, required: str, *arguments: str) -> tuple[int, str]:
    """Run one test file under our conftest; return the exit code and what was printed."""
    (folder / "conftest.py").write_bytes((root / "tests" / "conftest.py").read_bytes())
    (folder / "test_it.py").write_text(source, encoding="utf-8")
    result = run(
        folder,
        "pytest",
        "-q",
        "-ra",
        *arguments,
        str(folder),
        env={
            **os.environ,
            "COURSE_REQUIRE_ALL": required,
            "PYTHONPATH": str(root),
        },  # our conftest has neighbours
    )
    return result.returncode, result.stdout


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(
    ("required", "outcome", "code"),
    [
        ("1", "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error", 1),
        ("", "1 passed, 3 skipped, 1 xfailed", 0),
    ],
)
def test_a_machine_that_is_to_have_everything_may_skip_nothing(
    root: Path, tmp_path: Path, required: str, outcome: str, code: int, workers: str
) -> None:
    found, output = pytest_in(tmp_path, root, SKIPS, required, "-n", workers)
    assert (found, output.splitlines()[-1].partition(" in ")[0]) == (code, outcome)
    for lack in ("machine: no browser", "machine: no sandbox"):
        assert (f"COURSE_REQUIRE_ALL is set, and this check was skipped: {lack}" in output) == bool(required)
        assert lack in output


@pytest.mark.parametrize("required", ["1", ""])
def test_a_module_that_skips_itself_counts_too(root: Path, tmp_path: Path, required: str) -> None:
    source = SKIPS + "\npytest.skip('machine: no module', allow_module_level=True)\n"
    code, output = pytest_in(tmp_path, root, source, required)
    assert ("this check was skipped: machine: no module" in output) == bool(required)
    assert code == (2 if required else 5)  # interrupted; nothing was checked
