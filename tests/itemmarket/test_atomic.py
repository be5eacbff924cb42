"""Whole or not at all."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from itemmarket import atomic


class Crash(Exception):
    pass


def test_a_file_appears_whole_and_nothing_else_stays(tmp_path):
    target = tmp_path / "deep" / "er" / "file.txt"
    atomic.write_text(target, "first\n")
    atomic.write_text(target, "second ★\n")
    assert target.read_bytes() == "second ★\n".encode()
    assert [p.name for p in target.parent.iterdir()] == ["file.txt"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "file.txt"
    atomic.write_text(target, "old")
    with pytest.raises(Crash), atomic.atomic_path(target) as temporary:
        temporary.write_text("half")
        raise Crash
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "model"
    for content in ("one", "two"):
        with atomic.atomic_folder(target) as temporary:
            (temporary / content).write_text(content)
            assert not (target / content).exists()
    assert [p.name for p in target.iterdir()] == ["two"]
    with pytest.raises(Crash), atomic.atomic_folder(target) as temporary:
        (temporary / "three").write_text("")
        raise Crash
    assert [p.name for p in target.iterdir()] == ["two"]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_the_old_folder_comes_back_when_the_rename_fails(tmp_path):
    target = tmp_path / "model"
    with atomic.atomic_folder(target) as temporary:
        (temporary / "old").write_text("")
    with pytest.raises(OSError), atomic.atomic_folder(target) as temporary:
        temporary.rmdir()  # so that there is nothing to rename
    assert [p.name for p in target.iterdir()] == ["old"]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_file_where_a_folder_should_go_is_refused(tmp_path):
    (tmp_path / "model").write_text("")
    with (
        pytest.raises(NotADirectoryError, match="move the file away"),
        atomic.atomic_folder(tmp_path / "model"),
    ):
        pass


def test_json_and_parquet_round_trip_with_the_same_bytes(tmp_path):
    value, frame = {"name": "★", "x": [1, 2.5]}, pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=[7, 8])
    for name in ("1", "2"):
        atomic.write_json(tmp_path / f"{name}.json", value)
        atomic.write_parquet(tmp_path / f"{name}.parquet", frame)
    assert json.loads((tmp_path / "1.json").read_text(encoding="utf-8")) == value
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "1.parquet"), frame.reset_index(drop=True))
    for suffix in ("json", "parquet"):
        assert (tmp_path / f"1.{suffix}").read_bytes() == (tmp_path / f"2.{suffix}").read_bytes()
    with pytest.raises(ValueError):
        atomic.write_json(tmp_path / "1.json", float("nan"))
    assert json.loads((tmp_path / "1.json").read_text(encoding="utf-8")) == value


def test_leftovers_of_a_killed_writer_are_removed_and_nothing_else(tmp_path):
    script = (
        "import os, signal, sys; from pathlib import Path; from itemmarket.atomic import atomic_folder, atomic_path\n"
        "with atomic_path(Path(sys.argv[1], 'file')) as f, atomic_folder(Path(sys.argv[1], 'deep', 'folder')) as d:\n"
        "    f.write_text('half'); (d / 'x').write_text('half'); os._exit(9)\n"
    )
    kept = [tmp_path / "file", tmp_path / ".hidden.tmp", tmp_path / "deep" / "x.0123456789ab.tmp"]
    (tmp_path / "deep").mkdir()
    for path in kept:
        path.write_text("mine")
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)]).returncode == 9
    assert len(list(tmp_path.rglob(".*.tmp"))) == 3
    atomic.remove_leftovers(tmp_path)
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == sorted(kept)
