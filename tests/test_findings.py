"""The findings keep their form. They are not run here: what other people release must not fail our checks."""

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_architecture import OURS

FOLDER = ROOT / "findings"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
ids = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)


def pins(script: Path) -> dict[str, str]:
    (line,) = re.findall(
        r"^env/bin/pip install --quiet --disable-pip-version-check (.+)$", script.read_text("utf-8"), re.M
    )
    return dict(pin.split("==") for pin in line.split())


def test_the_table_lists_the_scripts():
    assert sorted(re.findall(r"^\| \[(\S+)\]\(\1\) \|", PAGE, re.M)) == [path.name for path in SCRIPTS]
    assert {path.suffix for path in FOLDER.iterdir()} == {".sh", ".md"}


@ids
def test_the_table_names_the_versions(script):
    (versions,) = re.findall(rf"^\| \[{script.name}\].* \| ([^|]+) \|$", PAGE, re.M)
    for named in versions.split(", "):
        name, version = named.split()
        assert pins(script)[name] == version


@pytest.mark.skipif(os.name == "nt", reason="Windows has no executable bit")
@ids
def test_a_script_is_bash_and_cleans_up(script):
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
    head = script.read_text(encoding="utf-8").splitlines()
    comment = [line for line in head if line.startswith("#")]
    assert comment[0] == "#!/usr/bin/env bash" and len(comment) > 2
    commands = [line for line in head if not line.startswith("#")]
    assert commands[:4] == [
        "set -euo pipefail",
        "work=$(mktemp -d)",
        "trap 'rm -rf \"$work\"' EXIT",
        'cd "$work"',
    ]


@ids
def test_a_script_uses_none_of_our_code_and_says_what_it_saw(script):
    text = script.read_text(encoding="utf-8")
    blocks = re.findall(r"<< 'PYTHON'\n(.*?)^PYTHON$", text, re.M | re.S)
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
        for block in blocks
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported and not imported & OURS
    assert "seen: " in blocks[-1] and "version(" in blocks[-1]
    assert len(re.findall(r'assert .+, "changed"', blocks[-1])) >= 1
