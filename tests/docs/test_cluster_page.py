"""The page about clusters and what lies beside it: manifests that Kubernetes would accept, a script that bash would."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from autograder import cli
from tests.conftest import ROOT

FOLDER = ROOT / "docs" / "cluster"
PAGE = FOLDER.with_suffix(".md").read_text(encoding="utf-8")
MANIFESTS = sorted(FOLDER.glob("*.yaml"))


def resources() -> dict[str, dict[str, Any]]:
    documents = [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in documents}


def pod(name: str) -> dict[str, Any]:
    return resources()[f"Deployment/{name}"]["spec"]["template"]["spec"]


def test_the_manifests_are_what_kubernetes_knows(root):
    """Validated against its schema; unknown fields are refused."""
    path = f"{os.environ['PATH']}{os.pathsep}{root / 'build' / 'tools' / 'bin'}"
    validator = shutil.which("kubernetes-validate", path=path)
    if validator is None:
        pytest.skip("machine: kubernetes-validate is not installed (.ci/run puts it into build/tools)")
    ran = subprocess.run([validator, "--strict", *map(str, MANIFESTS)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (ran.stdout + ran.stderr).count(" passed for resource ") == len(resources())


def test_the_parts_fit_together():
    service = resources()["Service/grading-scheduler"]["spec"]
    for name, deployment in resources().items():
        if name.startswith("Deployment/"):
            labels = deployment["spec"]["template"]["metadata"]["labels"]
            assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
            assert (service["selector"].items() <= labels.items()) == (name == "Deployment/grading-scheduler")
            assert (
                resources()["NetworkPolicy/grading"]["spec"]["podSelector"]["matchLabels"].items()
                <= labels.items()
            )
    scheduler, worker = (pod(name)["containers"][0] for name in ("grading-scheduler", "grading-worker"))
    assert scheduler["image"] == worker["image"]
    assert f"tcp://grading-scheduler:{service['ports'][0]['port']}" in worker["command"]
    assert scheduler["ports"][0] == {"name": service["ports"][0]["targetPort"], "containerPort": 8786}
    assert worker["command"][worker["command"].index("--nthreads") + 1] == "1"


def test_powers_are_the_pods_own_and_the_secret_is_a_file():
    worker = pod("grading-worker")
    assert worker["hostUsers"] is False and worker["automountServiceAccountToken"] is False
    assert not worker["containers"][0]["securityContext"].get("privileged")
    mounts = {mount["mountPath"]: mount["name"] for mount in worker["containers"][0]["volumeMounts"]}
    environment = {one["name"]: one["value"] for one in worker["containers"][0]["env"]}
    assert mounts[str(Path(environment["COURSE_GRADING_SECRET_FILE"]).parent)] == "secret"
    name = next(v["secret"]["secretName"] for v in worker["volumes"] if v["name"] == "secret")
    key = Path(environment["COURSE_GRADING_SECRET_FILE"]).name
    assert f"create secret generic {name} --from-file={key}=" in PAGE


def test_the_script_is_bash():
    script = FOLDER / "grade.sbatch"
    checks = [["bash", "-n"], *([["shellcheck"]] if shutil.which("shellcheck") else [])]
    for command in checks:
        ran = subprocess.run([*command, str(script)], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    text = script.read_text(encoding="utf-8")
    python = re.search(r"<< 'PYTHON'\n(.*?)\nPYTHON", text, re.DOTALL).group(1)
    compile(python, str(script), "exec")


def test_the_options_that_the_page_and_the_script_name_exist(capsys):
    with pytest.raises(SystemExit):
        cli.grade(["--help"])
    offered = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    lines = (PAGE + (FOLDER / "grade.sbatch").read_text(encoding="utf-8")).splitlines()
    commands = [line.split("grade", 1)[1] for line in lines if "course.py grade" in line]
    named = {option for command in commands for option in re.findall(r"--[a-z-]+", command)}
    assert {"--scheduler", "--resume", "--self-test"} <= named and named <= offered
    for path in re.findall(r"docs/[\w./]+", "\n".join(lines)):
        assert (FOLDER.parent.parent / path).exists(), path
