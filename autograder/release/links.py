"""Links to the repository: one setting holds its address, and while it is empty there are none.

The address is ``repository`` in ``[tool.course]`` of ``pyproject.toml``. A file that needs it holds a comment
``if repository: LINE`` in which ``ADDRESS`` stands for it. ``course.py release`` writes LINE below the comment, or
takes it away.
"""

import re
import tomllib
from pathlib import Path

LINKED = (
    *("README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md", "CITATION.cff", "pyproject.toml"),
    ".github/ISSUE_TEMPLATE/config.yml",
)
_COMMENT = re.compile(r"(?P<indent> *)(?:# if repository: (?P<a>.+)|<!-- if repository: (?P<b>.+) -->)")


def linked_files(root: Path) -> dict[str, bytes]:
    """Return the files that name the repository, with their links or without.

    Parameters
    ----------
    root : pathlib.Path
        The repository; those of the files that it lacks are left out.

    Returns
    -------
    dict of str to bytes
        Content by path below ``root``.

    Raises
    ------
    ValueError
        If the setting is not an address.
    """
    address = repository_address(root)
    present = [name for name in LINKED if (root / name).is_file()]
    return {name: with_links((root / name).read_text(encoding="utf-8"), address).encode() for name in present}


def repository_address(root: Path) -> str:
    """Return the address of the repository, empty when none is set.

    Raises
    ------
    ValueError
        If the setting is something else than ``https://HOST/OWNER/NAME``.
    """
    path = root / "pyproject.toml"
    if not path.is_file():
        return ""
    settings = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("course", {})
    address = settings.get("repository", "")
    if address and not re.fullmatch(r"https://[\w.-]+(/[\w.-]+){2}", address):
        raise ValueError(
            f"pyproject.toml, [tool.course] repository: {address!r} is not of the form https://HOST/OWNER/NAME"
        )
    return address


def with_links(text: str, address: str) -> str:
    """Write the line that each comment holds below it, or remove it when the address is empty."""
    result: list[str] = []
    earlier = None  # what an earlier run wrote below the comment just seen
    for line in text.split("\n"):
        if earlier and earlier.fullmatch(line):
            earlier = None
            continue
        result.append(line)
        comment = _COMMENT.fullmatch(line)
        wanted = comment["indent"] + (comment["a"] or comment["b"]) if comment else None
        earlier = re.compile(re.escape(wanted).replace("ADDRESS", r"https://\S+?")) if wanted else None
        if wanted and address:
            result.append(wanted.replace("ADDRESS", address))
    return "\n".join(result)
