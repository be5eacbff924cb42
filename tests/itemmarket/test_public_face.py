"""What ``import itemmarket as im`` offers is the same at run time and for editors."""

import ast
from pathlib import Path

import itemmarket as im


def test_stub_table_and_all_agree(root: Path) -> None:
    stub = ast.parse((root / "itemmarket" / "__init__.pyi").read_text(encoding="utf-8"))
    told = {
        alias.asname: (node.module, alias.name)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told == {name: (f"itemmarket.{room}", name) for name, room in im._WHERE.items()}
    assert im.__all__ == dir(im) == sorted(told)
    assert all(getattr(im, name) is not None for name in told)


def test_former_names_are_found_and_not_shown() -> None:
    """Work that was written for them goes on, and nobody learns them anew."""
    assert im._FORMER and not im._FORMER.keys() & set(im.__all__)
    assert all(getattr(im, name) is not None for name in im._FORMER)


def test_packages_say_that_they_are_typed(root: Path) -> None:
    assert all((root / package / "py.typed").is_file() for package in ("itemmarket", "labkit"))
