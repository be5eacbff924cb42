"""The verb ``data`` as a user meets it."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from itemmarket.data import catalogue_build, cli
from itemmarket.data.checksums import read_checksums, record_checksum, sha256_of
from itemmarket.simulation import simulator

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
    for name in ("catalogue.parquet", "market.parquet"):
        (tmp_path / name).write_bytes(b"x")
        record_checksum(tmp_path / "checksums.txt", name, sha256_of(tmp_path / name))
    assert cli.data(["verify"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["OK    catalogue.parquet", "OK    market.parquet"]
    (tmp_path / "market.parquet").write_bytes(b"y")
    assert cli.data(["verify"]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == "OK    catalogue.parquet"
    assert captured.out.splitlines()[1].startswith("FAIL  market.parquet has sha256 ")
    assert "1 of 2 files" in captured.err


@pytest.fixture
def builders(tmp_path, monkeypatch):
    """Fast makers in place of npm and the simulator; what they write is set by the test."""
    monkeypatch.setenv("ITEMMARKET_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    market = pd.DataFrame(
        {"name": "a", "date": pd.date_range("2024-01-01", periods=3), "price": 1.0, "volume": 1}
    )
    tables = {"catalogue.parquet": market[["name"]], "market.parquet": market}

    def make(name):
        def write(*_):
            tables[name].to_parquet(tmp_path / "data" / name)
            return tmp_path / "data" / name

        return write

    monkeypatch.setattr(catalogue_build, "build_catalogue", make("catalogue.parquet"))
    monkeypatch.setattr(simulator, "build_market", make("market.parquet"), raising=False)
    return tables


def test_build_makes_both_and_their_checksums(tmp_path, builders, capsys):
    assert cli.data(["build"]) == 0
    assert cli.data(["verify"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in out[:2]] == [
        str(tmp_path / "data" / name) for name in ("catalogue.parquet", "market.parquet")
    ]
    assert out[2:4] == ["OK    catalogue.parquet", "OK    market.parquet"]


def test_building_one_does_not_bless_the_other(tmp_path, builders, capsys):
    cli.data(["build"])
    (tmp_path / "data" / "market.parquet").write_bytes(b"damaged")
    assert cli.data(["build", "--only", "catalogue"]) == 0
    assert cli.data(["verify"]) == 1
    assert "FAIL  market.parquet" in capsys.readouterr().out


def test_a_market_that_breaks_the_schema_gets_no_checksum(tmp_path, builders, capsys):
    builders["market.parquet"] = builders["market.parquet"].assign(price=-1.0)
    assert cli.data(["build", "--only", "market"]) == 1
    assert "'price': 3 of 3 rows" in capsys.readouterr().err
    assert not (tmp_path / "data" / "checksums.txt").exists()
    builders["market.parquet"] = builders["market.parquet"].assign(price=1.0)
    assert cli.data(["build", "--only", "market"]) == 0
    assert list(read_checksums(tmp_path / "data" / "checksums.txt")) == ["market.parquet"]


def test_usage_is_told(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.data([])
    assert stop.value.code == 2
    assert "course.py data" in capsys.readouterr().err
