"""Fetching over HTTP, from a server in a thread that misbehaves in every way a server can."""

import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from itemmarket.data import download
from itemmarket.data.checksums import read_checksums
from itemmarket.data.download import ARCHIVE_COMMIT, ARCHIVE_URL, fetch_archive
from itemmarket.errors import MarketDataError

CONTENT = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        getattr(self, self.path.strip("/").split("/")[0])()

    def answer(self, content: bytes, length: int | None = None) -> None:
        self.send_response(200)
        if length != -1:
            self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def good(self) -> None:
        self.answer(self.server.content)

    def unmeasured(self) -> None:
        self.answer(self.server.content, length=-1)

    def moved(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/good")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def missing(self) -> None:
        self.send_error(404)

    def broken(self) -> None:
        self.send_error(503)

    def short(self) -> None:
        self.answer(CONTENT[:1000], length=len(CONTENT))

    def reset(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"3e8\r\n" + CONTENT[:100])

    def dead(self) -> None:
        self.server.stop.wait(20)

    def stalled(self) -> None:
        self.answer(CONTENT[:1000], length=len(CONTENT))
        self.server.stop.wait(20)

    def trickle(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "200")
        self.end_headers()
        for _ in range(200):
            self.server.stop.wait(0.05)
            try:
                self.wfile.write(b"x")
                self.wfile.flush()
            except OSError:
                return

    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.content, server.asked, server.stop = CONTENT, [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.stop.set()
    server.shutdown()
    server.server_close()
    thread.join()


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


@pytest.mark.parametrize("path", ["good", "unmeasured", "moved"])
def test_a_file_is_fetched_and_its_checksum_recorded(server, tmp_path, path):
    seen = []
    target = tmp_path / "archive" / "prices.zip"
    fetched = fetch_archive(f"{server.url}/{path}", target, progress=lambda *state: seen.append(state))
    assert fetched == target
    assert target.read_bytes() == CONTENT
    assert read_checksums(tmp_path / "archive" / "checksums.txt") == {"prices.zip": DIGEST}
    assert names(target.parent) == {"prices.zip", "checksums.txt"}
    assert seen[-1] == (len(CONTENT), None if path == "unmeasured" else len(CONTENT))


def test_a_fetched_file_is_not_fetched_again(server, tmp_path):
    for _ in range(3):
        fetch_archive(f"{server.url}/good", tmp_path / "prices.zip")
    assert server.asked == ["/good"]


def test_a_damaged_copy_is_fetched_again(server, tmp_path):
    fetch_archive(f"{server.url}/good", tmp_path / "prices.zip")
    (tmp_path / "prices.zip").write_bytes(b"damaged")
    fetch_archive(f"{server.url}/good", tmp_path / "prices.zip")
    assert (tmp_path / "prices.zip").read_bytes() == CONTENT


def test_what_was_trusted_once_may_not_change(server, tmp_path):
    target = tmp_path / "prices.zip"
    fetch_archive(f"{server.url}/good", target)
    target.unlink()
    server.content = b"other"
    with pytest.raises(MarketDataError, match=rf"expected SHA-256 {DIGEST[:12]}…: nothing was kept"):
        fetch_archive(f"{server.url}/good", target)
    assert names(tmp_path) == {"checksums.txt"}
    other = hashlib.sha256(b"other").hexdigest()
    fetch_archive(f"{server.url}/good", target, sha256=other.upper())
    assert target.read_bytes() == b"other"
    assert read_checksums(tmp_path / "checksums.txt") == {"prices.zip": other}


def test_a_given_checksum_is_enforced_from_the_start(server, tmp_path):
    with pytest.raises(MarketDataError, match="does not have the expected SHA-256 000000000000…"):
        fetch_archive(f"{server.url}/good", tmp_path / "prices.zip", sha256="0" * 64)
    assert names(tmp_path) == set()
    with pytest.raises(MarketDataError, match="'abc' is not a SHA-256"):
        fetch_archive(f"{server.url}/good", tmp_path / "prices.zip", sha256="abc")


def test_a_mismatch_keeps_the_old_copy(server, tmp_path):
    fetch_archive(f"{server.url}/good", tmp_path / "prices.zip")
    server.content = b"other"
    with pytest.raises(MarketDataError, match="expected SHA-256"):
        fetch_archive(f"{server.url}/good", tmp_path / "prices.zip", sha256="0" * 64)
    assert (tmp_path / "prices.zip").read_bytes() == CONTENT
    assert read_checksums(tmp_path / "checksums.txt") == {"prices.zip": DIGEST}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing", "/missing answers 404 Not Found: the archive is not there; give another --url"),
        ("broken", "/broken answers 503 Service Unavailable"),
        ("short", "/short broke off: try again"),
        ("reset", "/reset broke off: try again"),
        ("dead", r"127.0.0.1 sent nothing for 0.4 s: try again later"),
        ("stalled", r"127.0.0.1 sent nothing for 0.4 s: try again later"),
        ("trickle", r"/trickle is too slow: \d+ bytes in 1.2 s"),
    ],
)
def test_a_misbehaving_server_is_named_in_time_and_leaves_nothing(server, tmp_path, path, message):
    began = time.monotonic()
    with pytest.raises(MarketDataError, match=message):
        fetch_archive(f"{server.url}/{path}", tmp_path / "prices.zip", timeout=0.4, deadline=1.2)
    assert time.monotonic() - began < 5
    assert names(tmp_path) == set()


def test_too_much_is_not_taken(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", 100_000)
    with pytest.raises(MarketDataError, match="more than 100000 bytes"):
        fetch_archive(f"{server.url}/good", tmp_path / "prices.zip")
    assert names(tmp_path) == set()


def test_no_network_is_said_with_the_cure(server, tmp_path):
    url = server.url
    server.shutdown()
    server.server_close()
    with pytest.raises(
        MarketDataError, match=r"no connection to 127.0.0.1: check the network, .* data import FILE"
    ):
        fetch_archive(f"{url}/good", tmp_path / "prices.zip", timeout=2)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "prices.zip", "file:///etc/passwd", "http://"])
def test_what_is_no_web_address_is_named(tmp_path, url):
    with pytest.raises(MarketDataError, match="is not a web address"):
        fetch_archive(url, tmp_path / "prices.zip")


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MarketDataError, match="cannot write "):
        fetch_archive(f"{server.url}/good", tmp_path / "file" / "prices.zip")


def test_the_default_is_pinned_to_a_commit():
    assert len(ARCHIVE_COMMIT) == 40
    assert ARCHIVE_URL.startswith("https://")
    assert ARCHIVE_URL.endswith(f"/archive/{ARCHIVE_COMMIT}.zip")
