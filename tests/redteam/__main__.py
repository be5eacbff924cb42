"""Writes the red team's classes into a folder and says on standard output what is right: for the benchmark."""

import argparse
import json
from pathlib import Path

from tests.labs.handing_in import FOLDER
from tests.redteam import lab2, lab3  # noqa: F401 - they register their cases
from tests.redteam.catalogue import CASES
from tests.redteam.classroom import Seat, write_class, write_earlier
from tests.redteam.desk import LAB, LEAKED
from tests.redteam.labs import LAB_CASES, judge_all
from tests.redteam.spying import CANARY, SECRET


def main() -> None:
    """Write ``FOLDER/N/{submitted, earlier}`` for each class N, and print them as JSON.

    With ``--labs`` the cases that fit one lab only are judged here, and their verdicts printed.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.redteam", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=1, help="cases in a class")
    parser.add_argument("--plain", action="store_true", help="only cases to try plain nbgrader with")
    parser.add_argument("--full", action="store_true", help="also cases that only full isolation stops")
    parser.add_argument("--only", default="", help="only cases with this in name or category")
    parser.add_argument("--one-each", action="store_true", help="only the first case of each category")
    parser.add_argument("--labs", action="store_true", help="judge the cases of single labs instead")
    options = parser.parse_args()
    if options.labs:
        chosen = [c for c in LAB_CASES.values() if options.only in f"{c.lab} {c.category}: {c.name}"]
        if options.one_each:
            chosen = list({(c.lab, c.category): c for c in reversed(chosen)}.values())[::-1]
        print(json.dumps(list(judge_all(chosen))))
        return
    cases = [
        case
        for case in CASES.values()
        if (case.plain or not options.plain)
        and (options.full or options.plain or not case.needs_full)
        and options.only in f"{case.category}: {case.name}"
    ]
    if options.one_each:
        cases = list({case.category: case for case in reversed(cases)}.values())[::-1]
    classes = []
    for start in range(0, len(cases), options.size):
        group = cases[start : start + options.size]
        folder = options.folder.resolve() / f"{start:03d}"
        out = folder / "out"
        lab = out / "source" / LAB if options.plain else FOLDER
        earlier = write_earlier(folder / "earlier", group, lab, out)
        taken = write_class(folder / "submitted", group, lab, out)
        seats = [_plain(seat) for seat in taken]
        classes.append({"folder": str(folder), "earlier": earlier, "seats": seats})
    print(json.dumps({"lab": str(FOLDER), "secret": SECRET, "classes": classes}))


def _plain(seat: Seat) -> dict[str, object]:
    case = seat.case
    return {
        "case": case.name,
        "category": case.category,
        "tries": case.tries,
        "right": case.total,
        "at_most": case.at_most,
        "absent": sorted({*case.absent, LEAKED, SECRET, CANARY}),
        "student": seat.student,
        "neighbours": [seat.before, seat.after],
    }


if __name__ == "__main__":
    main()
