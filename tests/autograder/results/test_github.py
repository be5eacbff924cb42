"""The workflow in the students' bundle checks a lab after each push and tells GitHub what came of it."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import course
import course_environment
from autograder import cli
from autograder.release.bundle import WORKFLOW, bundle_files
from autograder.release.derive import derive, load_labs
from tests.labs.handing_in import FOLDER, hand_in


@pytest.fixture(scope="module")
def workflow(root, tmp_path_factory) -> Path:
    """The workflow as it lies in the bundle."""
    labs = load_labs(root)
    path = tmp_path_factory.mktemp("bundle") / WORKFLOW
    path.parent.mkdir(parents=True)
    path.write_bytes(bundle_files(root, derive(root, labs), labs)[WORKFLOW])
    return path


@pytest.fixture(scope="module")
def job(workflow) -> dict:
    (job,) = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values()
    return job


def test_it_keeps_githubs_schema(workflow):
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
        str(workflow),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_it_is_pinned_bounded_and_least_privileged(workflow, job):
    text = workflow.read_text(encoding="utf-8")
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    for uses in re.findall(r"uses: (.+)", text):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", uses), uses
    assert 0 < job["timeout-minutes"] <= 60
    assert (
        job["if"] == "github.actor != 'github-classroom[bot]'"
    )  # not on the commit that makes the repository


def test_it_runs_what_exists(root, job):
    (run,) = [step["run"] for step in job["steps"] if "run" in step]
    python, entry, verb, lab, option = shlex.split(run)
    assert (python, entry, lab) == ("python3", "course.py", "$LAB")
    assert verb in course.VERBS and not course.VERBS[verb].needs
    (name,) = re.findall(r"'(\w+)'", job["env"]["LAB"])
    assert (root / "solutions" / name).is_dir()
    (keys,) = [step["with"]["key"] for step in job["steps"] if "cache" in step.get("uses", "")]
    assert re.findall(r"'([\w.]+)'", keys) == list(course_environment.PINS)
    with pytest.raises(SystemExit) as ended:
        cli.check([name, option, "--no-such-option"])
    assert ended.value.code == 2


def check_on_github(tmp_path, monkeypatch, capsys, folder: Path) -> tuple[int, str, list[str]]:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    (tmp_path / "summary.md").write_text("before\n")
    code = cli.check([str(FOLDER) + os.sep, str(folder), "--github"])
    notices = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::notice")]
    return code, (tmp_path / "summary.md").read_text(encoding="utf-8"), notices


def test_all_right_on_github(tmp_path, monkeypatch, capsys):
    code, summary, notices = check_on_github(tmp_path, monkeypatch, capsys, hand_in(tmp_path, "ada"))
    assert code == 0
    assert summary.startswith("before\n## Lab 0: a straight line\n") and "12 of 12 points" in summary
    assert "| Fitting a line | OK | 4 of 4 |" in summary
    assert notices[0] == "::notice title=Autograding complete::Points 12/12"
    report = notices[1].removeprefix("::notice title=Autograding report::")
    assert json.loads(report) == {"totalPoints": 12, "maxPoints": 12}


def test_what_is_left_on_github(tmp_path, monkeypatch, capsys):
    predict = "        return self.slope * x + self.intercept\n"
    folder = hand_in(
        tmp_path, "ada", replace={predict: "        raise KeyError('</pre><b>|\\n::notice::99')\n"}
    )
    code, summary, notices = check_on_github(tmp_path, monkeypatch, capsys, folder)
    assert code == 1
    assert "| Forecasting | not yet | 0 of 4 |" in summary
    assert (
        "**Forecasting**: Forecasts lie on the line." in summary and "Hint: slope * x + intercept" in summary
    )
    assert summary.count("</pre>") == 1 and "<b>" not in summary
    earned, possible = json.loads(notices[1].partition("report::")[2]).values()
    assert possible == 12 and 4 + 2 <= earned < 12 - 4 + 0.01
    assert notices == [
        f"::notice title=Autograding complete::Points {earned:g}/12",
        f'::notice title=Autograding report::{{"totalPoints": {earned}, "maxPoints": 12}}',
    ]
