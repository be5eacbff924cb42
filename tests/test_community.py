"""What a public repository is expected to hold: licences, notices, forms, hooks, and that they say what is so."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import course
from autograder.release.links import with_links
from itemmarket.data.catalogue_build import VERSION

SCHEMAS = {
    "CITATION.cff": "citation-file-format",
    ".github/dependabot.yml": "dependabot",
    ".github/ISSUE_TEMPLATE/bug.yml": "github-issue-forms",
    ".github/ISSUE_TEMPLATE/text.yml": "github-issue-forms",
    ".github/ISSUE_TEMPLATE/config.yml": "github-issue-config",
}


def read(root: Path, name: str) -> str:
    return (root / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("address", ["", "https://git.example/owner/course"], ids=["no address", "address"])
@pytest.mark.parametrize("name", SCHEMAS)
def test_files_keep_their_schema(root: Path, tmp_path: Path, name: str, address: str) -> None:
    path = tmp_path / Path(name).name
    path.write_text(with_links(read(root, name), address), encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{SCHEMAS[name]}"]
    if path.suffix == ".cff":
        command += ["--force-filetype", "yaml"]
    checked = subprocess.run([*command, path], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_every_form_has_a_schema(root: Path) -> None:
    forms = {path.relative_to(root).as_posix() for path in (root / ".github/ISSUE_TEMPLATE").iterdir()}
    assert forms == {name for name in SCHEMAS if "ISSUE_TEMPLATE" in name}


def test_versions_agree(root: Path) -> None:
    project = tomllib.loads(read(root, "pyproject.toml"))["project"]
    citation = yaml.safe_load(read(root, "CITATION.cff"))
    assert citation["version"] == project["version"]
    assert citation["authors"] == [{"name": "The contributors of this course"}]
    assert re.search(rf"^## {re.escape(project['version'])}\b", read(root, "CHANGELOG.md"), re.MULTILINE)


def test_licences_are_whole(root: Path) -> None:
    assert read(root, "LICENSE").startswith(
        "MIT License\n\nCopyright (c) 2026 the contributors of this course\n"
    )
    assert "Section 8 -- Interpretation" in read(root, "LICENSE-docs").replace("–", "--")
    assert "END OF TERMS AND CONDITIONS" in read(root, "LICENSE-apache")
    assert tomllib.loads(read(root, "pyproject.toml"))["project"]["license"] == "MIT"


def test_the_notice_names_what_comes_from_others(root: Path) -> None:
    notice = " ".join(read(root, "NOTICE").split())
    assert f"@ianlucas/cs2-lib {VERSION}" in notice
    (line,) = re.findall(r"Copyright \(c\) 2023 - present Ian Lucas", notice)
    assert line in read(root, "data/catalogue.md")
    assert "all-MiniLM-L6-v2" in notice
    for path in re.findall(r"\b(?:data|solutions|examples|labs|lectures|docs)/[\w./]*\w", notice):
        assert (root / path).exists(), path
    model = root / "solutions/lab3_rarity/artefact/manifest.json"
    assert "weights" in json.dumps(json.loads(model.read_text(encoding="utf-8")))


def test_commands_for_contributors_exist(root: Path) -> None:
    commands = re.findall(r"^python3 course\.py (.+)$", read(root, "CONTRIBUTING.md"), re.MULTILINE)
    assert len(commands) > 3
    for verb, *arguments in map(shlex.split, commands):
        assert verb in course.VERBS
        assert all((root / path).exists() for path in arguments if "/" in path), arguments


# ---------------------------------------------------------------- hooks before a commit


def hooks(root: Path) -> dict[str, dict]:
    repositories = yaml.safe_load(read(root, ".pre-commit-config.yaml"))["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    return {hook["id"]: hook for hook in repositories[0]["hooks"]}


@pytest.fixture
def workplace(root: Path, tmp_path: Path) -> Path:
    """A folder with the repository's environment and settings."""
    tmp_path.joinpath(".venv").symlink_to(sys.prefix, target_is_directory=True)
    shutil.copy(root / "pyproject.toml", tmp_path)
    return tmp_path


BAD = {
    "ruff-check": ("it.py", '"""It."""\nimport os\n', '"""It."""\n'),
    "ruff-format": ("it.py", "x = ( 1 )\n", "x = 1\n"),
    "no-outputs": ("it.ipynb", '{"outputs": [{"output_type": "stream"}]}', '{"outputs": []}'),
}


def test_hooks_are_local_and_known(root: Path) -> None:
    assert set(hooks(root)) == {*BAD, "derived-files"}
    assert {hook["language"] for hook in hooks(root).values()} == {"system"}
    assert "course.py release --check" in hooks(root)["derived-files"]["entry"]
    for pattern in (hook["files"] for hook in hooks(root).values() if "files" in hook):
        re.compile(pattern)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows: pre-commit brings the shell that Git has")
@pytest.mark.parametrize("hook", BAD)
def test_a_hook_stops_what_it_is_for(root: Path, workplace: Path, hook: str) -> None:
    name, bad, good = BAD[hook]
    command = [*shlex.split(hooks(root)[hook]["entry"]), name]
    results = []
    for text in (bad, good):
        (workplace / name).write_text(text, encoding="utf-8")
        ran = subprocess.run(command, cwd=workplace, capture_output=True, text=True)
        changed = (workplace / name).read_text(encoding="utf-8") != text
        results.append(bool(ran.returncode) or changed)
    assert results == [True, False]
