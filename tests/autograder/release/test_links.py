"""Links to the repository appear when its address is set, and there are none while it is empty."""

import re
import shutil
from pathlib import Path

import pytest

from autograder.release.links import LINKED, linked_files, repository_address, with_links

ADDRESS = "https://git.example/owner/course"
FORMS = {
    "a comment of YAML, TOML and CFF": (
        "a: 1\n# if repository: b: ADDRESS/x\nc: 2\n",
        "b: https://r.example/o/n/x",
    ),
    "a comment of Markdown": ("# T\n\n<!-- if repository: [B](ADDRESS) -->\n", "[B](https://r.example/o/n)"),
    "an indented one": ("a:\n  # if repository: b: ADDRESS\n", "  b: https://r.example/o/n"),
}


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    for name in LINKED:
        if (root / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, tmp_path / name)
    return tmp_path


def set_address(folder: Path, address: str) -> None:
    path = folder / "pyproject.toml"
    text = re.sub(r'(?m)^repository = ".*"$', f'repository = "{address}"', path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")


def release(folder: Path) -> dict[str, str]:
    """Do what the verb does with these files, and return them."""
    files = linked_files(folder)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {name: content.decode() for name, content in files.items()}


@pytest.mark.parametrize(("text", "line"), FORMS.values(), ids=FORMS)
def test_a_line_appears_changes_and_goes(text: str, line: str) -> None:
    linked = with_links(text, "https://r.example/o/n")
    assert linked.split("\n") == [
        *text.split("\n")[: (at := linked.split("\n").index(line))],
        line,
        *text.split("\n")[at:],
    ]
    assert with_links(linked, "https://r.example/o/n") == linked
    assert with_links(linked, "https://else.example/o/n") == linked.replace("//r.", "//else.")
    assert with_links(linked, "") == text


def test_no_link_while_the_address_is_empty(root: Path, copy: Path) -> None:
    set_address(copy, "")
    for name, text in release(copy).items():
        visible = re.sub(r"(?m)^ *(# if repository: .*|<!-- if repository: .* -->)$", "", text)
        assert "ADDRESS" not in visible, name
        assert not re.search(r"/(issues|actions|compare|security/advisories)\b", visible), name


def test_links_appear_when_the_address_is_set(copy: Path) -> None:
    set_address(copy, "")
    before = release(copy)
    set_address(copy, ADDRESS)
    files = release(copy)
    assert set(files) == set(LINKED)
    for name, text in files.items():
        assert ADDRESS in text, name
    assert f"{ADDRESS}/actions/workflows/ci.yml/badge.svg" in files["README.md"]
    assert f"{ADDRESS}/commits/main" in files["CHANGELOG.md"]
    assert f"{ADDRESS}/security/advisories/new" in files["SECURITY.md"]
    assert f"repository-code: {ADDRESS}" in files["CITATION.cff"]
    assert release(copy) == files
    set_address(copy, "")
    assert release(copy) == before


@pytest.mark.parametrize(
    "address", ["git.example/o/n", "http://git.example/o/n", "https://git.example/o/n/", "x y"]
)
def test_what_is_no_address_is_refused(copy: Path, address: str) -> None:
    set_address(copy, address)
    with pytest.raises(ValueError, match=r"repository: .* is not of the form https://HOST/OWNER/NAME"):
        linked_files(copy)


def test_a_folder_without_the_setting_has_no_links(tmp_path: Path) -> None:
    assert repository_address(tmp_path) == ""
    assert linked_files(tmp_path) == {}
