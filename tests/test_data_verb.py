"""The verb ``data`` as a user meets it."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from itemmarket import cli
from itemmarket.checksums import write_checksums

GOOD = "date,price,volume\n2024-01-01,1.25,10\n2024-01-02,1.5,20\n"


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "BUILD", tmp_path / "build")
    (tmp_path / "prices").mkdir()


def test_import_ends_with_what_was_rejected_and_where_the_result_lies(tmp_path, capsys):
    (tmp_path / "prices" / "AK-47__Redline_(Field-Tested).csv").write_text(GOOD + "2024-01-03,-1,3\n" * 7)
    assert cli.data(["import", "prices"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith("rejected 7 rows and 0 files")
    assert out[1] == "  AK-47__Redline_(Field-Tested).csv, line 4: price -1 is not above 0"
    assert out[6] == "  … and 2 more"
    assert out[-1].removeprefix("market: ") == str(cli.BUILD / "imported" / "market.parquet")
    assert len(pd.read_parquet(out[-1].removeprefix("market: "))) == 2
    with Path(out[-2].removeprefix("rejects: ")).open(newline="") as file:
        assert len(list(csv.reader(file))) == 8


def test_import_strict_fails_on_any_reject(tmp_path, capsys):
    (tmp_path / "prices" / "a.csv").write_text(GOOD)
    assert (
        cli.data(
            ["import", "prices", "--strict", "--out", "m.parquet", "--rejects", "r.csv", "--game", "rust"]
        )
        == 0
    )
    (tmp_path / "prices" / "b.csv").write_text("")
    assert cli.data(["import", "prices", "--strict", "--out", "m.parquet"]) == 1
    assert "b.csv: file is empty" in capsys.readouterr().out


def test_names_come_from_the_catalogue(tmp_path, capsys):
    (tmp_path / "prices" / "Negev__dev_texture_(Well-Worn).csv").write_text(GOOD)
    assert cli.data(["import", "prices", "--out", "m.parquet"]) == 0
    assert pd.read_parquet("m.parquet")["name"].unique().tolist() == ["Negev | dev_texture (Well-Worn)"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "nowhere"], "no archive at nowhere"),
        (["import", "prices"], "nothing usable in prices: it holds no CSV file"),
        (["import", "prices", "--game", "csgo"], "unknown game 'csgo'"),
        (["fetch", "--url", "http://127.0.0.1:1/x"], "no connection to 127.0.0.1"),
        (["fetch", "--sha256", "x"], "'x' is not a SHA-256"),
    ],
)
def test_an_error_is_one_sentence(arguments, message, capsys, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert cli.data(arguments) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("course.py data: ")
    assert message in error


def test_verify_says_ok_or_fail_per_file(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ITEMMARKET_DATA", str(tmp_path))
    for name in cli.DATA_FILES:
        (tmp_path / name).write_bytes(b"x")
    write_checksums(tmp_path, cli.DATA_FILES)
    assert cli.data(["verify"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["OK    catalogue.parquet", "OK    market.parquet"]
    (tmp_path / "market.parquet").write_bytes(b"y")
    assert cli.data(["verify"]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == "OK    catalogue.parquet"
    assert captured.out.splitlines()[1].startswith("FAIL  market.parquet has sha256 ")
    assert "1 of 2 files" in captured.err


def test_usage_is_told(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.data([])
    assert stop.value.code == 2
    assert "course.py data" in capsys.readouterr().err
