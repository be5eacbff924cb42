"""The verb ``data``: make, verify, import and fetch what the course stands on."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from itemmarket.errors import MarketDataError
from itemmarket.paths import ROOT, data_dir

BUILD = ROOT / "build"


def data(argv: list[str]) -> int:
    """Run ``course.py data …``; return 0, or 1 after one sentence on stderr."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except MarketDataError as error:
        print(f"course.py data: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="course.py data", description="The catalogue and the market.")
    verbs = parser.add_subparsers(required=True, metavar="build | verify | import | fetch")

    def verb(name: str, run: Callable[[argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
        sub.set_defaults(run=run)
        return sub

    build = verb("build", _build, "make the catalogue and the bundled market again, and their checksums")
    build.add_argument("--only", choices=("catalogue", "market"), help="make one of the two")

    verb("verify", _verify, "compare every data file with its committed SHA-256")

    importing = verb(
        "import", _import, "read a price archive into a market table, reporting every rejected row"
    )
    importing.add_argument(
        "source", type=Path, help="folder of per-item CSV files, a zip of them, or a parquet file"
    )
    importing.add_argument(
        "--out",
        type=Path,
        default=BUILD / "imported" / "market.parquet",
        help="file to write (default: %(default)s)",
    )
    importing.add_argument("--rejects", type=Path, help="CSV of what was left out (default: beside --out)")
    importing.add_argument(
        "--game", default="cs2", help="game of the items: cs2, dota2, tf2 or rust (default: cs2)"
    )
    importing.add_argument("--strict", action="store_true", help="exit with 1 when anything was rejected")

    fetching = verb("fetch", _fetch, "download the public price archive (some hundred MB; needs internet)")
    fetching.add_argument("--url", help="another address (default: the archive at a pinned commit)")
    fetching.add_argument(
        "--out",
        type=Path,
        default=BUILD / "archive" / "csgo-prices.zip",
        help="file to write (default: %(default)s)",
    )
    fetching.add_argument(
        "--sha256", help="the digest expected (default: the one recorded by the first fetch)"
    )
    return parser


def _build(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    console = Console(stderr=True)
    if arguments.only != "market":
        from itemmarket.data.catalogue_build import build_catalogue

        with console.status("catalogue: reading the pinned npm package"):
            _report(build_catalogue(BUILD / "catalogue"))
    if arguments.only != "catalogue":
        from itemmarket.market.prices import load_prices
        from itemmarket.simulation.simulator import build_market

        with console.status("market: simulating"):
            path = build_market()
            load_prices(path)  # a market that breaks the schema gets no checksum
        _report(path)
    return 0


def _report(path: Path) -> None:
    """Record the checksum of a data file just made, and say where it lies."""
    from itemmarket.data.checksums import FILE_NAME, record_checksum, sha256_of

    digest = sha256_of(path)
    record_checksum(path.parent / FILE_NAME, path.name, digest)
    print(f"{path}  {path.stat().st_size / 1e6:.1f} MB  sha256 {digest[:12]}…")


def _verify(arguments: argparse.Namespace) -> int:
    from itemmarket.data.checksums import verify_checksums

    verdicts = verify_checksums(data_dir())
    for name, problem in verdicts:
        print(f"FAIL  {name} {problem}" if problem else f"OK    {name}")
    failed = sum(verdict.problem is not None for verdict in verdicts)
    if failed:
        raise MarketDataError(
            f"{failed} of {len(verdicts)} files in {data_dir()} are not the committed ones: restore them"
            " (git checkout -- data), or accept them by `python course.py data build`"
        )
    print(f"{len(verdicts)} files verified in {data_dir()}")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import track

    from itemmarket.data.archive import import_archive

    console = Console(stderr=True)
    report = import_archive(
        arguments.source,
        arguments.out,
        arguments.rejects,
        arguments.game,
        names=_known_names(arguments.game),
        progress=lambda files: track(files, "reading", console=console, transient=True),
    )
    print(report)
    for reject in report.rejects[:5]:
        print(f"  {reject.file}{f', line {reject.line}' if reject.line else ''}: {reject.reason}")
    if len(report.rejects) > 5:
        print(f"  … and {len(report.rejects) - 5} more")
    print(f"rejects: {report.rejects_file}")
    print(f"market: {report.destination}")
    return int(arguments.strict and bool(report.rejects))


def _known_names(game: str) -> list[str]:
    """Return the market names of the catalogue, which restore characters that file names lack."""
    from itemmarket.market.catalogue import market_names

    if game != "cs2" or not (data_dir() / "catalogue.parquet").is_file():
        return []
    return market_names()["name"].unique().tolist()


def _fetch(arguments: argparse.Namespace) -> int:
    from itemmarket.data.download import ARCHIVE_URL, fetch_archive

    with _byte_bar() as progress:
        path = fetch_archive(
            arguments.url or ARCHIVE_URL, arguments.out, sha256=arguments.sha256, progress=progress
        )
    print(f"archive: {path}")
    print(f"next: python course.py data import {path}")
    return 0


@contextmanager
def _byte_bar() -> Iterator[Callable[[int, int | None], None]]:
    """Give a progress callback that draws a bar of bytes on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("fetch", total=None)
        yield lambda received, total: bar.update(task, completed=received, total=total)
