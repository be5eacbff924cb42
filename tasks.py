"""The verbs that drive the other parts: ``run``, ``test``, ``notebooks`` and ``bench``.

They run inside the environment. Every step is a command that a user could type, started in a process of its own.
"""

import argparse
import ast
import csv
import difflib
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

from course import BUILD, PYTHON, ROOT, call

LECTURES = ROOT / "lectures"
BUDGET_SECONDS = 300  # of a whole notebook, and of one cell unless its metadata says `execution.timeout`


def run(argv: list[str]) -> int:
    """Verify the data, execute lecture 1, grade the example class, print its table; results in build/run."""
    argparse.ArgumentParser(prog="course.py run", description=run.__doc__).parse_args(argv)
    out = BUILD / "run"
    lecture = next(LECTURES.glob("01_*.ipynb"))
    submitted = ROOT / "examples" / "class"
    steps: list[tuple[str, Callable[[], int]]] = [
        ("verify the data", lambda: verb("data", "verify")),
        (f"execute {lecture.name}", lambda: execute(lecture, out / "lectures" / lecture.name)),
        ("grade the example class", lambda: verb("grade", "lab1_mlp", str(submitted), "--out", str(out))),
    ]
    begun = time.monotonic()
    for number, (title, step) in enumerate(steps, 1):
        print(f"[{number}/{len(steps)}] {title}", flush=True)
        started = time.monotonic()
        if code := step():
            print(f"run: the step '{title}' failed (exit code {code}).", file=sys.stderr)
            return code
        print(f"[{number}/{len(steps)}] {title}: {time.monotonic() - started:.1f} s", flush=True)
    print_class(out / "grades.csv")
    print(f"\nDone in {time.monotonic() - begun:.0f} s. The report of the class: {out / 'report.html'}")
    return 0


def verb(*arguments: str) -> int:
    """Run another verb as the user would."""
    print(f"$ python3 course.py {' '.join(arguments)}", flush=True)
    return call([str(PYTHON), str(ROOT / "course.py"), *arguments])


def execute(notebook: Path, target: Path) -> int:
    """Execute a notebook in its own folder and write it, with its outputs, to ``target``."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    content = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        content,
        timeout=BUDGET_SECONDS,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(notebook.parent)}},
    )
    try:
        client.execute()
    except (CellTimeoutError, DeadKernelError) as error:
        print(f"{notebook.name}: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".new")
    nbformat.write(content, temporary)
    temporary.replace(target)
    for number, cell in enumerate(content.cells, 1):
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                print(f"{notebook.name}, cell {number}: {output.ename}: {output.evalue}", file=sys.stderr)
                return 1
    print(f"The executed notebook: {target}")
    return 0


def print_class(grades: Path) -> None:
    """Print grades.csv as a table."""
    from rich.console import Console
    from rich.table import Table

    with grades.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    table = Table(title=f"The example class, {len(rows)} submissions")
    for column in rows[0]:
        table.add_column(column, justify="right" if column in ("score", "max_score") else "left")
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)


def test(argv: list[str]) -> int:
    """Run every check: style, derived files, behaviour, notebooks; other arguments go to pytest."""
    parser = argparse.ArgumentParser(prog="course.py test", description=test.__doc__)
    parser.add_argument("--long", action="store_true", help="the full form of the slow checks, too")
    options, extra = parser.parse_known_args(argv)
    chosen = any((ROOT / argument.partition("::")[0]).exists() for argument in extra)
    command = [str(PYTHON), "-m", "pytest", *extra]
    if not chosen:
        command += ["tests", "lectures", "--nbmake", f"--nbmake-timeout={BUDGET_SECONDS}"]
    if options.long:
        command.append("--long")
    command += ["-n", "2", "--dist", "loadfile"]
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers share the cores
    code = call(command, cwd=ROOT)
    if code == 5:
        print("test: nothing was checked.", file=sys.stderr)
    return code


def notebooks(argv: list[str]) -> int:
    """Execute every lecture notebook and print its seconds; fails beyond the budget of a notebook."""
    argparse.ArgumentParser(prog="course.py notebooks", description=notebooks.__doc__).parse_args(argv)
    results = BUILD / "notebooks.xml"
    command = [str(PYTHON), "-m", "pytest", "lectures", "--nbmake", f"--nbmake-timeout={BUDGET_SECONDS}"]
    code = call([*command, f"--junitxml={results}", "-o", "junit_family=xunit1"], cwd=ROOT)
    slow = []
    print(f"\nseconds  of {BUDGET_SECONDS}  notebook")
    for case in ElementTree.parse(results).iter("testcase"):
        seconds = float(case.get("time", "nan"))
        verdict = (
            "failed" if case.find("failure") is not None else "slow" if seconds > BUDGET_SECONDS else "ok"
        )
        slow += [case] if verdict == "slow" else []
        print(f"{seconds:7.1f}  {verdict:6}  {case.get('name')}")
    return code or (1 if slow else 0)


def bench(argv: list[str]) -> int:
    """Run the benchmark of that name, or list them; each leaves build/bench/NAME.json."""
    folder = ROOT / "benchmarks"
    found = {path.stem: path for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_")}
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: course.py bench NAME [options]\n")
        for name, path in found.items():
            summary = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[
                0
            ]
            print(f"  {name:<12} {summary}")
        return 0
    name, *rest = argv
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1, cutoff=0.5)
        cure = f"did you mean `{near[0]}`?" if near else "`course.py bench` lists them."
        print(f"There is no benchmark `{name}`: {cure}", file=sys.stderr)
        return 1
    return import_module(f"benchmarks.{name}").main(rest)
