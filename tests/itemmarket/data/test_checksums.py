"""Checksums: what is listed is what is there."""

import hashlib
import shutil
import subprocess

import pytest

from itemmarket.data import checksums
from itemmarket.errors import MarketDataError
from itemmarket.paths import data_dir


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.bin").write_bytes(bytes(range(256)) * 1000)
    (tmp_path / "a file.txt").write_bytes(b"")
    (tmp_path / "sub" / "c.txt").write_bytes(b"c")
    for name in ("sub/c.txt", "b.bin", "a file.txt"):
        checksums.record_checksum(tmp_path / "checksums.txt", name, checksums.sha256_of(tmp_path / name))
    return tmp_path


def test_what_was_written_verifies(folder):
    assert checksums.verify_checksums(folder) == [("a file.txt", None), ("b.bin", None), ("sub/c.txt", None)]
    text = (folder / "checksums.txt").read_bytes().decode()
    assert text.splitlines()[1] == f"{hashlib.sha256(bytes(range(256)) * 1000).hexdigest()}  b.bin"
    assert "\r" not in text


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="no sha256sum on this system")
def test_sha256sum_reads_it(folder):
    subprocess.run(
        ["sha256sum", "--check", "--strict", "checksums.txt"], cwd=folder, check=True, capture_output=True
    )


def test_each_change_is_found(folder):
    content = (folder / "b.bin").read_bytes()
    (folder / "b.bin").write_bytes(content[:-1] + b"\0")
    (folder / "sub" / "c.txt").unlink()
    (folder / "a file.txt").unlink()
    (folder / "a file.txt").mkdir()
    problems = dict(checksums.verify_checksums(folder))
    assert problems["b.bin"].startswith("has sha256 ")
    assert problems["sub/c.txt"] == "is missing"
    assert problems["a file.txt"].startswith("cannot be read (")


def test_a_record_is_added_and_replaced(folder):
    checksums.record_checksum(folder / "checksums.txt", "b.bin", "0" * 64)
    checksums.record_checksum(folder / "checksums.txt", "new", "1" * 64)
    digests = checksums.read_checksums(folder / "checksums.txt")
    assert list(digests) == ["a file.txt", "b.bin", "new", "sub/c.txt"]
    assert (digests["b.bin"], digests["new"]) == ("0" * 64, "1" * 64)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"abc  file\n", "line 1: not a SHA-256"),
        (b"\n" + b"0" * 64 + b" file\n", "line 2: not a SHA-256"),
        (b"0" * 64 + b"  ../file\n", "line 1: '../file' leads out of the folder"),
        (b"0" * 64 + b"  /etc/passwd\n", "leads out of the folder"),
        (b"0" * 64 + b"  C:\\file\n", "leads out of the folder"),
        (b"\xff\xfe", "it is not UTF-8 text"),
        (b"\n", "lists no file"),
    ],
)
def test_a_bad_list_is_named(tmp_path, content, message):
    (tmp_path / "checksums.txt").write_bytes(content)
    with pytest.raises(MarketDataError, match=message):
        checksums.verify_checksums(tmp_path)


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(MarketDataError, match=r"cannot read the checksums .*checksums.txt: No such file"):
        checksums.verify_checksums(tmp_path)


def test_the_bundled_data_is_what_was_committed():
    verdicts = checksums.verify_checksums(data_dir())
    assert {name for name, _ in verdicts} == {path.name for path in data_dir().glob("*.parquet")}, (
        "a file is unlisted"
    )
    assert [verdict for verdict in verdicts if verdict.problem] == []
