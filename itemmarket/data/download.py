"""Fetching the public price archive, for those who have internet.

Nobody can vouch beforehand for the bytes of an archive that a host makes on demand. So the trust is that of
ssh with a new host: the first fetch records the file's SHA-256 beside it, every later one must match, and a
``sha256`` learnt elsewhere (a colleague, a course page) is enforced from the first byte. The commit in the URL
pins the *contents*; should the host ever pack them differently, the mismatch says so and a person decides.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
import urllib3

from itemmarket.data.checksums import FILE_NAME, read_checksums, record_checksum, sha256_of
from itemmarket.errors import MarketDataError

ARCHIVE_COMMIT = "966b17303716e1e46656a764313b41197d744d8a"
ARCHIVE_URL = (
    f"https://github.com/Sapphirine/202412-22-CSGO-Skin-Price-Predictor/archive/{ARCHIVE_COMMIT}.zip"
)
MAX_BYTES = 4 * 2**30
CHUNK_BYTES = 2**16

Progress = Callable[[int, int | None], None]
"""Called with the bytes received so far and the total, where the server tells it."""


class _Downloader:
    """Streams a URL to a file under a time limit per read and one for the whole (pooch's downloader contract)."""

    def __init__(self, timeout: float, deadline: float, progress: Progress) -> None:
        self.timeout, self.deadline, self.progress = timeout, deadline, progress

    def __call__(self, url: str, output_file: str | os.PathLike[str], _pooch: object) -> None:
        started, received = time.monotonic(), 0
        # Compression would make Content-Length lie about the file; a zip gains nothing by it.
        with (
            requests.get(
                url, stream=True, timeout=self.timeout, headers={"Accept-Encoding": "identity"}
            ) as response,
            Path(output_file).open("wb") as file,
        ):
            response.raise_for_status()
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
            # read1 returns what has arrived, so that a trickle cannot outlast the deadline inside one read.
            while chunk := response.raw.read1(CHUNK_BYTES):
                file.write(chunk)
                received += len(chunk)
                self.progress(received, total)
                if received > MAX_BYTES:
                    raise MarketDataError(
                        f"{url} sends more than {MAX_BYTES} bytes: this is not the price archive"
                    )
                if time.monotonic() - started > self.deadline:
                    raise MarketDataError(
                        f"{url} is too slow: {received} bytes in {self.deadline:g} s; try again on a better connection"
                    )


def fetch_archive(
    url: str = ARCHIVE_URL,
    destination: str | os.PathLike[str] = "build/archive/csgo-prices.zip",
    *,
    sha256: str | None = None,
    timeout: float = 30,
    deadline: float = 3600,
    progress: Progress = lambda received, total: None,
) -> Path:
    """Download an archive once, and make sure that it is always the same.

    A file that is there and has the expected SHA-256 is not downloaded again. A broken download leaves
    nothing behind and starts from its beginning (hosts that pack on demand cannot resume).

    Parameters
    ----------
    url : str
        Where from; the public archive at a pinned commit by default.
    destination : path-like
        The file to write, whole or not at all.
    sha256 : str, optional
        The expected digest. Without it the one that the first fetch recorded in ``checksums.txt`` beside
        ``destination`` is enforced; without that the file is trusted, and recorded.
    timeout, deadline : float
        Seconds without a byte, and seconds for everything, after which the download is given up.
    progress : callable, optional
        Called with (bytes received, total or None).

    Returns
    -------
    Path
        ``destination``.

    Raises
    ------
    MarketDataError
        No connection, an error answer, too slow, too large, cut short, another SHA-256 than expected, or a
        folder that cannot be written.
    """
    destination = Path(destination)
    record = destination.parent / FILE_NAME
    if sha256 is None and record.exists():
        sha256 = read_checksums(record).get(destination.name)
    elif sha256 is not None and (len(sha256) != 64 or not set(sha256.lower()) <= set("0123456789abcdef")):
        raise MarketDataError(f"{sha256!r} is not a SHA-256: give 64 hexadecimal digits")
    expected = sha256.lower() if sha256 else None

    downloader = _Downloader(timeout, deadline, progress)
    pooch.get_logger().setLevel("ERROR")  # it would print the digest as an instruction to the user
    host = urlsplit(url).hostname or url
    try:
        pooch.retrieve(
            url,
            known_hash=f"sha256:{expected}" if expected else None,
            fname=destination.name,
            path=destination.parent,
            downloader=downloader,
        )
    except MarketDataError:
        raise
    except requests.HTTPError as error:
        said = error.response
        answer = f"{said.status_code} {said.reason}" if said is not None else "with an error"
        raise MarketDataError(
            f"{url} answers {answer}: the archive is not there; give another --url"
        ) from error
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise MarketDataError(f"{host} sent nothing for {timeout:g} s: try again later") from error
    except (
        requests.exceptions.InvalidSchema,
        requests.exceptions.MissingSchema,
        requests.exceptions.InvalidURL,
    ) as error:
        raise MarketDataError(f"{url!r} is not a web address: it begins with https:// and a host") from error
    except urllib3.exceptions.HTTPError as error:  # reset, or fewer bytes than announced
        raise MarketDataError(f"{url} broke off: try again") from error
    except requests.RequestException as error:
        raise MarketDataError(
            f"no connection to {host}: check the network, or get {url} on another machine and"
            " read it with `python course.py data import FILE`"
        ) from error
    except ValueError as error:  # pooch's word for a mismatch
        raise MarketDataError(
            f"what {host} sent does not have the expected SHA-256 {str(expected)[:12]}…: nothing was kept; if the"
            f" archive was meant to change, give the new --sha256 or delete its line in {record}"
        ) from error
    except OSError as error:
        raise MarketDataError(f"cannot write {destination}: {error.strerror or error}") from error
    record_checksum(record, destination.name, expected or sha256_of(destination))
    return destination
