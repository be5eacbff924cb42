"""Importing an archive: the real one comes through unchanged, every kind of broken file is named."""

import csv
import hashlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from itemmarket.data import archive
from itemmarket.data.archive import archive_stem, import_archive, item_name
from itemmarket.errors import MarketDataError
from itemmarket.market.catalogue import market_names
from itemmarket.market.prices import load_prices

HEADER = "date,price,volume\n"
GOOD = HEADER + "2024-01-01,1.25,10\n2024-01-02,1.5,20\n"
ITEM = "AK-47 | Redline (Field-Tested)"
STEM = "AK-47__Redline_(Field-Tested)"


def write(folder: Path, content: str | bytes, name: str = f"{STEM}.csv") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def rejects(report) -> list[tuple[str, str, str]]:
    """The rejects file, which must say what the report says."""
    with report.rejects_file.open(encoding="utf-8", newline="") as file:
        rows = [tuple(row) for row in csv.reader(file)]
    assert rows[0] == ("file", "line", "reason")
    assert rows[1:] == [(r.file, str(r.line or ""), r.reason) for r in report.rejects]
    return rows[1:]


# --- what comes through ---------------------------------------------------------------------------------------


def test_an_item_file_becomes_rows_of_its_item(tmp_path):
    write(tmp_path / "in", GOOD)
    report = import_archive(tmp_path / "in", tmp_path / "out" / "market.parquet")
    frame = load_prices(report.destination)
    assert list(frame) == ["name", "date", "price", "volume"]
    assert frame["name"].unique().tolist() == [ITEM]
    assert frame["price"].tolist() == [1.25, 1.5]
    assert frame["volume"].tolist() == [10, 20]
    assert rejects(report) == []
    assert str(report) == (
        "2 rows of 1 items, 2024-01-01 to 2024-01-02, from 2 rows in 1 files; rejected 0 rows and 0 files"
    )


def test_an_hourly_tail_is_averaged_by_volume_and_summed(tmp_path):
    write(
        tmp_path / "in",
        HEADER
        + "2024-01-01 01:00:00,0.1,3\n"
        + "2024-01-02 01:00:00,2.0,1\n2024-01-02 02:00:00,3.0,3\n2024-01-02T23:00,4.0,0\n"
        + "2024-01-03 01:00:00,5.0,0\n2024-01-03 02:00:00,6.0,0\n"
        + "Jan 04 2024 01: +0,7.5,2\nJan 04 2024 13: +0,8.5,2\n",
    )
    frame = load_prices(import_archive(tmp_path / "in", tmp_path / "m.parquet").destination)
    assert frame["date"].dt.day.tolist() == [1, 2, 3, 4]
    assert frame["price"].tolist() == [0.1, 2.75, 5.5, 8.0]
    assert frame["volume"].tolist() == [3, 4, 0, 4]


hours = st.tuples(st.integers(0, 5), st.integers(0, 23))
trades = st.dictionaries(
    hours, st.tuples(st.integers(1, 10**6), st.integers(0, 10**6)), min_size=1, max_size=40
)


@settings(deadline=None, max_examples=30)
@given(trades, st.randoms(use_true_random=False))
def test_daily_rows_conserve_volume_and_turnover(tmp_path_factory, trades, random):
    folder = tmp_path_factory.mktemp("hourly")
    order = random.sample(sorted(trades), len(trades))
    lines = [f"2024-01-0{d + 1} {h:02}:00:00,{trades[d, h][0] / 1000},{trades[d, h][1]}" for d, h in order]
    write(folder / "in", HEADER + "\n".join(lines))
    frame = load_prices(import_archive(folder / "in", folder / "m.parquet").destination)
    assert len(frame) == len({day for day, _ in trades})
    for row in frame.itertuples():
        day = [trade for (d, _), trade in trades.items() if d + 1 == row.date.day]
        assert row.volume == sum(volume for _, volume in day)
        prices, volumes = np.array(day).T
        expected = np.average(prices / 1000, weights=volumes if volumes.any() else None)
        assert row.price == pytest.approx(expected, rel=1e-12)
        if len(day) == 1:
            assert row.price == day[0][0] / 1000, "a single row keeps its price to the last bit"


def test_columns_may_stand_in_any_order_with_others_between(tmp_path):
    content = '\ufeffVolume, note ,PRICE,date\r\n10,"a, b",1.25,2024-01-01\r\n\r\n20,,"1.5","2024-01-02"\r\n'
    write(tmp_path / "in", content)
    report = import_archive(tmp_path / "in", tmp_path / "m.parquet")
    assert rejects(report) == []
    assert load_prices(report.destination)["price"].tolist() == [1.25, 1.5]


def test_whole_floats_and_exponents_are_numbers(tmp_path):
    write(tmp_path / "in", HEADER + "2024-01-01,+1.5e0,10.0\n2024-01-02,.5,1e3\n")
    frame = load_prices(import_archive(tmp_path / "in", tmp_path / "m.parquet").destination)
    assert frame["price"].tolist() == [1.5, 0.5]
    assert frame["volume"].tolist() == [10, 1000]


def test_only_the_prices_folder_of_the_archive_is_read(tmp_path):
    write(tmp_path / "in", GOOD, f"repo/csgo_market_data/prices/{STEM}.csv")
    write(tmp_path / "in", "date,players\n", "repo/data_raw/daily.csv")
    report = import_archive(tmp_path / "in", tmp_path / "m.parquet")
    assert (report.files, report.rejects, report.items) == (1, (), 1)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in sorted((tmp_path / "in").rglob("*.csv")):
            zipped.write(file, file.relative_to(tmp_path / "in"))
    again = import_archive(tmp_path / "a.zip", tmp_path / "z.parquet")
    assert (again.files, again.rejects) == (1, ())
    assert (tmp_path / "z.parquet").read_bytes() == (tmp_path / "m.parquet").read_bytes()


def test_the_game_is_written_where_it_is_not_the_default(tmp_path):
    write(tmp_path / "in", GOOD, "Mann Co. Supply Crate Key.csv")
    frame = load_prices(import_archive(tmp_path / "in", tmp_path / "m.parquet", game="tf2").destination)
    assert frame["game"].tolist() == ["tf2", "tf2"]
    again = import_archive(tmp_path / "m.parquet", tmp_path / "n.parquet")
    pd.testing.assert_frame_equal(load_prices(again.destination), frame)
    with pytest.raises(MarketDataError, match="unknown game 'csgo': choose from cs2, dota2, tf2, rust"):
        import_archive(tmp_path / "in", tmp_path / "m.parquet", game="csgo")


def test_two_imports_write_the_same_bytes(tmp_path):
    generator = np.random.default_rng(0)
    for item in ("B.csv", "a.csv", "★_Knife.csv"):
        lines = [
            f"2024-01-{day:02} {hour:02}:00,{generator.random():.3f},x" for day in (2, 1) for hour in (3, 3)
        ]
        lines += [f"2024-02-{day:02},{generator.random() + 1:.3f},7" for day in (9, 8, 7)]
        write(tmp_path / "in", HEADER + "\n".join(lines), item)
    digests = set()
    for name in ("1", "2"):
        report = import_archive(tmp_path / "in", tmp_path / name / "m.parquet")
        digests.add(
            tuple(
                hashlib.sha256(f.read_bytes()).hexdigest() for f in (report.destination, report.rejects_file)
            )
        )
    assert len(digests) == 1


# --- names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        (STEM, ITEM),
        (
            "StatTrak™_M4A4__龍王_(Dragon_King)_(Field-Tested)",
            "StatTrak™ M4A4 | 龍王 (Dragon King) (Field-Tested)",
        ),
        ("Sticker__Titan_(Holo)__Katowice_2014", "Sticker | Titan (Holo) | Katowice 2014"),
        ("★_Karambit", "★ Karambit"),
        ("Fracture_Case", "Fracture Case"),
        (ITEM, ITEM),
        ("Negev | dev_texture (Well-Worn)", "Negev | dev_texture (Well-Worn)"),
        ("Cafe\u0301", "Café"),
    ],
)
def test_file_names_give_item_names(stem, name):
    assert item_name(stem) == name


def test_every_market_name_is_restored_with_the_catalogue():
    names = market_names()["name"].unique()
    known = {archive_stem(name): name for name in sorted(names)}
    assert [name for name in names if item_name(archive_stem(name), known) != name] == []
    lost = [name for name in names if item_name(archive_stem(name)) != name]
    assert 0 < len(lost) < len(names) / 100, "and nearly every one without"


def test_an_import_takes_known_names(tmp_path):
    name = "Sticker | What?! (Foil)"
    write(tmp_path / "in", GOOD, archive_stem(name) + ".csv")
    without = import_archive(tmp_path / "in", tmp_path / "m.parquet")
    assert load_prices(without.destination)["name"].unique().tolist() == ["Sticker | What! (Foil)"]
    report = import_archive(tmp_path / "in", tmp_path / "m.parquet", names=[name])
    assert load_prices(report.destination)["name"].unique().tolist() == [name]


# --- the real archive -----------------------------------------------------------------------------------------


@pytest.mark.machine
def test_the_real_market_survives_the_archive_layout(real_market, tmp_path):
    real = pd.read_parquet(real_market / "steam_daily.parquet").astype({"price": "float64"})
    real["price"] = real["price"].round(3)  # the archive's resolution; the file has float32
    # The one item whose file name lost a character; the real table has it as the file name gives it.
    real["name"] = real["name"].astype("str").replace("CSGO Weapon Case", "CS:GO Weapon Case")
    names = {*real["name"].unique()[::8], "CS:GO Weapon Case"}
    real = real[real["name"].isin(names)].reset_index(drop=True)
    tail = real["date"].max() - pd.Timedelta(days=30)
    for name, rows in real.groupby("name"):
        # Each day of the last month as three hours around its mean, with its volume and turnover kept.
        lines = [
            f"{r.date:%Y-%m-%d} 01:00:00,{r.price},{r.volume}"
            for r in rows[rows["date"] <= tail].itertuples()
        ]
        for r in rows[rows["date"] > tail].itertuples():
            part, rest = r.volume // 3, r.volume - 2 * (r.volume // 3)
            for hour, price, volume in (
                (3, r.price * 0.9, part),
                (11, r.price * 1.1, part),
                (20, r.price, rest),
            ):
                lines.append(f"{r.date:%Y-%m-%d} {hour:02}:00:00,{price!r},{volume}")
        write(tmp_path / "prices", HEADER + "\n".join(lines), archive_stem(name) + ".csv")
    report = import_archive(tmp_path / "prices", tmp_path / "market.parquet", names=market_names()["name"])
    imported = load_prices(report.destination)
    assert report.rejects == ()
    assert len(imported) == len(real) > 100_000
    assert (real["date"] > tail).sum() > 500
    expected = load_prices_of(real, tmp_path)
    assert imported["name"].equals(expected["name"])
    assert imported["date"].equals(expected["date"])
    assert imported["volume"].equals(expected["volume"])
    daily = (imported["date"] <= tail).to_numpy()
    assert (imported["price"] == expected["price"])[daily].all()
    np.testing.assert_allclose(imported["price"], expected["price"], rtol=1e-12)


def load_prices_of(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The frame as load_prices gives it."""
    frame.to_parquet(folder / "expected.parquet")
    return load_prices(folder / "expected.parquet")


@pytest.mark.machine
def test_the_real_parquet_is_imported_whole(real_market, tmp_path):
    report = import_archive(real_market / "steam_daily.parquet", tmp_path / "market.parquet")
    assert (report.rows, report.rows_read, report.items, report.rejects) == (1_080_979, 1_080_979, 468, ())
    pd.testing.assert_frame_equal(
        load_prices(report.destination), load_prices(real_market / "steam_daily.parquet")
    )


# --- broken rows: the row is reported, the others stay ---------------------------------------------------------

ROWS = {
    "negative price": ("2024-01-03,-1.5,3", "price -1.5 is not above 0"),
    "zero price": ("2024-01-03,0.00,3", "price 0 is not above 0"),
    "NaN price": ("2024-01-03,NaN,3", "price 'NaN' is not a finite number"),
    "infinite price": ("2024-01-03,inf,3", "price 'inf' is not a finite number"),
    "overflowing price": ("2024-01-03,1e999,3", "price inf is above 1e+09 USD"),
    "absurd price": ("2024-01-03,2e9,3", "price 2e+09 is above 1e+09 USD"),
    "missing price": ("2024-01-03,,3", "price is missing"),
    "currency sign": ("2024-01-03,$1.50,3", "price '$1.50' is not a finite number"),
    "underscored price": ("2024-01-03,1_000,3", "price '1_000' is not a finite number"),
    "decimal comma": ("2024-01-03,1,50,3", "4 fields where the header has 3"),
    "quoted decimal comma": (
        '2024-01-03,"1,50",3',
        "price '1,50' is not a finite number (decimal comma: write a point)",
    ),
    "text in volume": ("2024-01-03,1.5,many", "volume 'many' is not a finite number"),
    "missing volume": ("2024-01-03,1.5,", "volume is missing"),
    "fractional volume": ("2024-01-03,1.5,2.5", "volume 2.5 is not a whole number"),
    "negative volume": ("2024-01-03,1.5,-3", "volume -3 is below 0"),
    "absurd volume": ("2024-01-03,1.5,1e15", "volume 1e+15 is above 1e+12"),
    "overflowing volume": ("2024-01-03,1.5,1e999", "volume inf is not a whole number"),
    "impossible date": ("2024-02-30,1.5,3", "date '2024-02-30' does not exist"),
    "impossible hour": ("2024-02-03 25:00,1.5,3", "date '2024-02-03 25:00' does not exist"),
    "impossible month of Steam's": ("Foo 01 2014 01: +0,1.5,3", "date 'Foo 01 2014 01: +0' does not exist"),
    "missing date": (",1.5,3", "date is missing"),
    "American date": ("01/03/2024,1.5,3", "date '01/03/2024' is not of the form YYYY-MM-DD [HH:MM:SS]"),
    "week date": ("2024-W01-1,1.5,3", "date '2024-W01-1' is not of the form YYYY-MM-DD [HH:MM:SS]"),
    "ancient date": ("0202-01-03,1.5,3", "date '0202-01-03' is not in the years 2000 to 2099"),
    "duplicate date": ("2024-01-02,1.6,3", "date 2024-01-02 00:00:00 is a duplicate of line 3"),
    "aware date": (
        "2024-01-03T00:00:00+02:00,1.5,3",
        "date '2024-01-03T00:00:00+02:00' has a time zone: give UTC without one",
    ),
    "aware date, Z": (
        "2024-01-03 00:00Z,1.5,3",
        "date '2024-01-03 00:00Z' has a time zone: give UTC without one",
    ),
    "unix seconds": (
        "1704240000,1.5,3",
        "date '1704240000' is a number, not a date (unix seconds are not read)",
    ),
    "too few fields": ("2024-01-03,1.5", "2 fields where the header has 3"),
    "truncated quote": ('2024-01-03,1.5,"3', "a quoted field does not end"),
    "NUL bytes": ("2024-01-03,1.5,3\0\0", "line has NUL bytes"),
    "Latin-1": (b"2024-01-03,1.5,3\xe9", "line is not UTF-8 text"),
    "binary junk": (bytes(range(128, 200)), "line is not UTF-8 text"),
    "huge line": ("2024-01-03,1.5," + "3" * 5000, "line has 5015 bytes, more than 4096"),
    "long value": ("2024-01-03," + "x" * 50 + ",3", "price '" + "x" * 37 + "...' is not a finite number"),
    "Arabic digits": ("2024-01-03,١,3", "price '١' is not a finite number"),
}


@pytest.mark.parametrize(("line", "reason"), ROWS.values(), ids=ROWS)
def test_a_broken_row_is_reported_and_the_others_stay(tmp_path, line, reason):
    line = line if isinstance(line, bytes) else line.encode()
    write(tmp_path / "in", GOOD.encode() + line + b"\n2024-01-04,1.75,30\n")
    report = import_archive(tmp_path / "in", tmp_path / "m.parquet")
    assert rejects(report) == [(f"{STEM}.csv", "4", reason)]
    assert (report.rejected_rows, report.rejected_files, report.rows_read, report.rows) == (1, 0, 4, 3)
    assert load_prices(report.destination)["price"].tolist() == [1.25, 1.5, 1.75]


def test_lines_are_counted_as_an_editor_does(tmp_path):
    write(tmp_path / "in", "\r\n\n" + GOOD + "\n\n2024-01-03,0,1\r2024-01-04,0,1\r\n2024-01-05,0,1")
    report = import_archive(tmp_path / "in", tmp_path / "m.parquet")
    assert [line for _, line, _ in rejects(report)] == ["8", "9", "10"]
    assert report.rows_read == 5


def test_a_duplicate_in_another_file_names_that_file(tmp_path):
    write(tmp_path / "in", GOOD)
    write(
        tmp_path / "in",
        HEADER + "2024-01-05,1,1\n2024-01-01,9.99,1\n",
        f"{STEM.replace('__', ' - ')}/{STEM}.csv",
    )
    report = import_archive(tmp_path / "in", tmp_path / "m.parquet")
    (reject,) = rejects(report)
    assert reject[1:] == (
        "2",
        f"date 2024-01-01 00:00:00 is a duplicate of line 3 of {reports_other(reject, tmp_path)}",
    )
    assert report.rows == 3


def reports_other(reject, tmp_path) -> str:
    """The archive's file that the reject is not of."""
    files = {p.relative_to(tmp_path / "in").as_posix() for p in (tmp_path / "in").rglob("*.csv")}
    return (files - {reject[0]}).pop()


# --- broken files: the file is reported, the other files stay ---------------------------------------------------

FILES = {
    "empty": ("", "file is empty"),
    "blank": ("\n \n", "file is empty"),
    "header only": (HEADER, "no rows below the header"),
    "missing column": ("date,price\n2024-01-01,1\n", "no column volume in the header 'date,price'"),
    "no header": ("2024-01-01,1.0,3\n", "no column date, price, volume in the header '2024-01-01,1.0,3'"),
    "semicolons": (
        "date;price;volume\n1;2;3\n",
        "no column date, price, volume in the header 'date;price;volume'",
    ),
    "column twice": ("date,price,volume,Price\n2024-01-01,1,2,3\n", "column price is twice in the header"),
    "UTF-16": (GOOD.encode("utf-16"), "file is UTF-16: save it as UTF-8"),
    "UTF-16 without a mark": (GOOD.encode("utf-16-le"), "no header: line has NUL bytes"),
    "binary": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "no header: line is not UTF-8 text"),
    "one huge line": ("x" * 10_000, "no header: line has 10000 bytes, more than 4096"),
}


@pytest.mark.parametrize(("content", "reason"), FILES.values(), ids=FILES)
def test_an_unusable_file_is_reported_and_the_others_stay(tmp_path, content, reason):
    write(tmp_path / "in", GOOD)
    write(tmp_path / "in", content, "broken.csv")
    report = import_archive(tmp_path / "in", tmp_path / "m.parquet")
    assert rejects(report) == [("broken.csv", "", reason)]
    assert (report.rejected_rows, report.rejected_files, report.files, report.rows) == (0, 1, 2, 2)


def only_reject(tmp_path: Path) -> tuple[str, str, str]:
    write(tmp_path / "in", GOOD)
    (reject,) = rejects(import_archive(tmp_path / "in", tmp_path / "m.parquet"))
    return reject


def test_a_folder_named_like_a_file(tmp_path):
    (tmp_path / "in" / "folder.csv").mkdir(parents=True)
    assert only_reject(tmp_path) == ("folder.csv", "", "is a folder, not a file")


def test_a_file_without_a_name(tmp_path):
    write(tmp_path / "in", GOOD, "_.csv")
    assert only_reject(tmp_path) == ("_.csv", "", "file name gives no item name")


def test_a_file_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILE_BYTES", 100)
    write(tmp_path / "in", GOOD + "\n" * 100, "large.csv")
    assert only_reject(tmp_path) == ("large.csv", "", "file is larger than 100 bytes")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    secret = write(tmp_path / "in", GOOD, "secret.csv")
    secret.chmod(0)
    if os.access(secret, os.R_OK):  # the superuser, and Windows, read everything
        opened = Path.open

        def refuse(self, *arguments, **options):
            if self.name == "secret.csv":
                raise PermissionError(13, "Permission denied", str(self))
            return opened(self, *arguments, **options)

        monkeypatch.setattr(Path, "open", refuse)
    assert only_reject(tmp_path) == ("secret.csv", "", "cannot be read (Permission denied)")


@pytest.mark.skipif(
    os.name == "nt", reason="Windows has no pipes in folders, and symbolic links need a privilege"
)
def test_pipes_and_dangling_links_do_not_stop_an_import(tmp_path):
    write(tmp_path / "in", GOOD)
    os.mkfifo(tmp_path / "in" / "pipe.csv")
    (tmp_path / "in" / "link.csv").symlink_to(tmp_path / "nowhere")
    report = import_archive(tmp_path / "in", tmp_path / "m.parquet")
    assert rejects(report) == [
        ("link.csv", "", "cannot be read (No such file or directory)"),
        ("pipe.csv", "", "is not a regular file"),
    ]


# --- zips -----------------------------------------------------------------------------------------------------


def zipped(folder: Path, entries: dict[str, str | bytes]) -> Path:
    file = folder / "archive.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive_file:
        for name, content in entries.items():
            archive_file.writestr(name, content)
    return file


@pytest.mark.parametrize(
    "path", ["../evil.csv", "a/../../evil.csv", "/evil.csv", "a\\..\\evil.csv", "C:/evil.csv"]
)
def test_a_path_out_of_a_zip_is_refused(tmp_path, path):
    source = zipped(tmp_path / ".", {"good.csv": GOOD, path: GOOD})
    before = set(tmp_path.parent.rglob("*"))
    report = import_archive(source, tmp_path / "m.parquet")
    assert rejects(report) == [(zipfile.ZipFile(source).namelist()[1], "", "path leads out of the zip")]
    assert {p.name for p in set(tmp_path.parent.rglob("*")) - before} == {"m.parquet", "m.rejects.csv"}


def test_a_zip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILE_BYTES", 10_000)
    source = zipped(tmp_path, {"bomb.csv": HEADER + "0" * 10**7, "good.csv": GOOD})
    report = import_archive(source, tmp_path / "m.parquet")
    assert rejects(report) == [("bomb.csv", "", "file is larger than 10000 bytes")]
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 100)
    with pytest.raises(MarketDataError, match="more than 100 bytes of CSV"):
        import_archive(zipped(tmp_path, {"a.csv": GOOD, "b.csv": GOOD}), tmp_path / "n.parquet")
    assert not (tmp_path / "n.parquet").exists()


def test_a_zip_whose_header_lies_about_a_size_is_read_to_the_limit_only(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILE_BYTES", 10_000)

    with pytest.raises(archive._Unusable, match="larger than 10000 bytes"):
        archive._read_limited(io.BytesIO(b"0" * 20_000), size=10)


def test_a_damaged_member_is_reported(tmp_path):
    source = zipped(tmp_path, {"bad.csv": GOOD * 50, "good.csv": GOOD})
    content = bytearray(source.read_bytes())
    content[60:64] = b"\xff\xff\xff\xff"  # in the compressed bytes of the first member
    source.write_bytes(content)
    ((file, line, reason),) = rejects(import_archive(source, tmp_path / "m.parquet"))
    assert (file, line) == ("bad.csv", "")
    assert reason.startswith("is damaged in the zip (")


def test_an_encrypted_member_is_reported(tmp_path):
    source = zipped(tmp_path, {"locked.csv": GOOD, "good.csv": GOOD})
    content = bytearray(source.read_bytes())
    content[6] |= 1  # the flag of the first local header, and of its entry in the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    source.write_bytes(content)
    report = import_archive(source, tmp_path / "m.parquet")
    assert rejects(report) == [("locked.csv", "", "is encrypted")]


# --- parquet --------------------------------------------------------------------------------------------------


def market(rows: int = 5) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": ITEM,
            "date": pd.date_range("2024-01-01", periods=rows),
            "price": 1.5,
            "volume": np.arange(rows) * 1.0,
        }
    )


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("price", -1.5, "price -1.5 is not above 0"),
        ("price", np.nan, "price is missing"),
        ("price", np.inf, "price 'inf' is not a finite number"),
        ("price", 2e9, "price 2e+09 is above 1e+09 USD"),
        ("volume", -3.0, "volume -3 is below 0"),
        ("volume", np.nan, "volume is missing"),
        ("volume", 0.5, "volume 0.5 is not a whole number"),
        ("volume", 1e15, "volume 1e+15 is above 1e+12"),
        ("name", None, "name is missing"),
        ("name", "  ", "name is missing"),
        ("date", pd.NaT, "date is missing"),
        ("date", pd.Timestamp("1970-01-01"), "date '1970-01-01' is not in the years 2000 to 2099"),
        ("date", pd.Timestamp("2024-01-01"), "date 2024-01-01 00:00:00 is a duplicate of line 1"),
        ("game", "csgo", "game 'csgo' is not one of cs2, dota2, tf2, rust"),
    ],
)
def test_a_broken_parquet_row_is_reported(tmp_path, column, value, reason):
    frame = market().assign(game="cs2")
    frame.loc[3, column] = value
    frame.to_parquet(tmp_path / "in.parquet")
    report = import_archive(tmp_path / "in.parquet", tmp_path / "m.parquet")
    assert rejects(report) == [("in.parquet", "4", reason)]
    assert load_prices(report.destination)["date"].dt.day.tolist() == [1, 2, 3, 5]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: f.drop(columns="volume"), "no column volume; it has name, date, price"),
        (lambda f: f.assign(price="1.5"), "column price is str, not a number"),
        (lambda f: f.assign(volume=True), "column volume is bool, not a number"),
        (lambda f: f.assign(date="2024-01-01"), "column date is str, not a datetime"),
        (
            lambda f: f.assign(date=f["date"].dt.tz_localize("UTC")),
            "column date has a time zone: give naive UTC",
        ),
        (lambda f: f.iloc[:0], "no rows"),
    ],
)
def test_an_unusable_parquet_is_an_error_with_its_reason(tmp_path, change, reason):
    change(market()).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(MarketDataError) as error:
        import_archive(tmp_path / "in.parquet", tmp_path / "m.parquet")
    assert str(error.value) == f"nothing usable in {tmp_path / 'in.parquet'}: in.parquet: {reason}"
    assert (tmp_path / "m.rejects.csv").read_text().splitlines() == [
        "file,line,reason",
        next(csv_line(reason)),
    ]


def csv_line(reason: str):
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(["in.parquet", "", reason])
    yield out.getvalue()


def test_a_truncated_parquet_is_named(tmp_path):
    market().to_parquet(tmp_path / "in.parquet")
    content = (tmp_path / "in.parquet").read_bytes()
    (tmp_path / "in.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(MarketDataError, match=r"in.parquet: file is not readable parquet \("):
        import_archive(tmp_path / "in.parquet", tmp_path / "m.parquet")


# --- nothing usable, nothing written --------------------------------------------------------------------------


def test_sources_that_are_no_archive(tmp_path):
    (tmp_path / "empty").mkdir()
    write(tmp_path, "x", "text.txt")
    write(tmp_path, "x", "not.zip")
    for source, message in {
        "missing": "no archive at .*missing: give a folder of CSV files, a zip of them, or a parquet file",
        "empty": "nothing usable in .*empty: it holds no CSV file",
        "text.txt": "neither a folder, a .zip nor a .parquet",
        "not.zip": "not a readable zip",
    }.items():
        with pytest.raises(MarketDataError, match=message):
            import_archive(tmp_path / source, tmp_path / "m.parquet")
    assert not (tmp_path / "m.parquet").exists()


def test_nothing_usable_is_an_error_and_keeps_the_old_market(tmp_path):
    write(tmp_path / "in", HEADER + "2024-01-01,-1,1\n2024-01-02,-1,1\n")
    write(tmp_path, "old", "m.parquet")
    with pytest.raises(
        MarketDataError, match=r"nothing usable in .*: price -1 is not above 0 \(and 1 more, see .*csv\)"
    ):
        import_archive(tmp_path / "in", tmp_path / "m.parquet", tmp_path / "why.csv")
    assert (tmp_path / "m.parquet").read_text() == "old"
    assert len((tmp_path / "why.csv").read_text().splitlines()) == 3


def test_a_failed_write_keeps_the_old_market(tmp_path, monkeypatch):
    write(tmp_path / "in", GOOD)
    write(tmp_path, "old", "m.parquet")

    def full(self, path, **options):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(MarketDataError, match=r"cannot write .*: No space left on device"):
        import_archive(tmp_path / "in", tmp_path / "m.parquet")
    assert (tmp_path / "m.parquet").read_text() == "old"
    assert {p.name for p in tmp_path.iterdir()} == {"in", "m.parquet", "m.rejects.csv"}


# --- anything at all ------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.booleans())
def test_no_content_whatever_breaks_the_reader(content, with_header):
    rejected = []
    try:
        rows, read = archive._read_csv(
            HEADER.encode() * with_header + content, lambda line, reason: rejected.append((line, reason))
        )
    except archive._Unusable as problem:
        assert str(problem)
    else:
        assert read == len(rejected) + len(rows), "nothing is lost without a reason"
        assert all(line > 1 and reason for line, reason in rejected)


characters = st.text("0123456789-: T.,eE+Zx_", max_size=24)


@settings(deadline=None, max_examples=300)
@given(characters)
def test_a_date_is_read_or_refused_with_a_reason(text):
    try:
        moment = archive._parse_date(text)
    except archive._Unusable as problem:
        assert str(problem).startswith("date ")
    else:
        assert text.replace("T", " ").startswith(f"{moment:%Y-%m-%d}")
