"""The verbs that drive the other parts: ``run``, ``test``, ``notebooks`` and ``bench``.

They run inside the environment. Every step is a command that a user could type, started in a process of its own.
"""

import argparse
import ast
import difflib
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

from course_environment import BUILD, PYTHON, ROOT, call, compute_on_one_thread

BUDGET_SECONDS = 300  # of a whole notebook, and of one cell unless its metadata says `execution.timeout`


def run(argv: list[str]) -> int:
    """Verify the data, execute lecture 1 into build/lectures, and grade the example class into build/run."""
    argparse.ArgumentParser(prog="course.py run", description=run.__doc__).parse_args(argv)
    out = Path("build", "run")
    lecture = min((ROOT / "lectures").glob("01_*.ipynb"))
    steps: list[tuple[str, Callable[[], int]]] = [
        ("verify the data", lambda: verb("data", "verify")),
        ("execute lecture 1", lambda: execute(lecture, BUILD / "lectures" / lecture.name)),
        (
            "grade the example class",
            lambda: verb("grade", "lab1_mlp", "examples/class", "--out", out.as_posix()),
        ),
    ]
    begun = time.monotonic()
    for number, (title, step) in enumerate(steps, 1):
        print(f"[{number}/{len(steps)}] {title}", flush=True)
        started = time.monotonic()
        code = step()
        if code:
            print(f"run: the step '{title}' failed (exit code {code}).", file=sys.stderr)
            return code
        print(f"[{number}/{len(steps)}] {title}: done in {time.monotonic() - started:.1f} s\n", flush=True)
    print(f"All in {time.monotonic() - begun:.0f} s. The report of the class: {ROOT / out / 'report.html'}")
    return 0


def verb(*arguments: str) -> int:
    """Run another verb as the user would in the repository."""
    print(f"$ python3 course.py {' '.join(arguments)}", flush=True)
    return call([str(PYTHON), "course.py", *arguments], cwd=ROOT)


KEEP_NAMES = "COURSE_KEEP_NAMES"
"""Variable with the path of a file to which an executed notebook's names are pickled, for tests of what it leaves."""

LEDGER = "COURSE_NOTEBOOK_LEDGER"
"""Variable with the path of a file that gets a line for each notebook that a run of the tests executes."""


def execute(notebook: Path, target: Path) -> int:
    """Execute a notebook in its own folder and write it, with its outputs, to ``target``."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    compute_on_one_thread()
    content = nbformat.read(notebook, as_version=4)
    if os.environ.get(LEDGER):  # which this process writes as pytest's do, so that `run` cannot escape it
        import_module("tests.sharing").count_executions()
    if file := os.environ.get(KEEP_NAMES):
        keep = f"import tests.sharing as _sharing; _sharing.keep_names(globals(), {file!r})"
        content.cells.append(nbformat.v4.new_code_cell(f"import sys; sys.path.append({str(ROOT)!r}); {keep}"))
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
    if file and content.cells[-1].outputs == []:
        content.cells.pop()
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


def test(argv: list[str]) -> int:
    """Run every check: style, derived files, behaviour, notebooks; other arguments go to pytest."""
    parser = argparse.ArgumentParser(prog="course.py test", description=test.__doc__)
    parser.add_argument("--long", action="store_true", help="the full form of the slow checks, too")
    options, extra = parser.parse_known_args(argv)
    chosen = any((ROOT / argument.partition("::")[0]).exists() for argument in extra)
    command = [str(PYTHON), "-m", "pytest", *extra]
    if options.long:
        command.append("--long")
    if not chosen:
        command += ["tests", "lectures", "--nbmake", f"--nbmake-timeout={BUDGET_SECONDS}"]
        command += [
            "-n",
            "2",
            "--dist",
            "loadfile",
            "--no-loadscope-reorder",
        ]  # tests/conftest.py has an order
    compute_on_one_thread()
    code = call(command, cwd=ROOT)
    if code == 5:
        print("test: nothing was checked.", file=sys.stderr)
    return code


def notebooks(argv: list[str]) -> int:
    """Execute every lecture notebook and print its seconds; fail on an error and beyond the budget."""
    parser = argparse.ArgumentParser(prog="course.py notebooks", description=notebooks.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "lectures", help="default: lectures")
    parser.add_argument("--budget", type=float, default=BUDGET_SECONDS, help="seconds (default: %(default)s)")
    options = parser.parse_args(argv)
    results = BUILD / "notebooks.xml"
    compute_on_one_thread()
    results.unlink(missing_ok=True)
    command = [
        str(PYTHON),
        "-m",
        "pytest",
        str(options.folder),
        "--nbmake",
        f"--nbmake-timeout={BUDGET_SECONDS}",
    ]
    code = call([*command, f"--junitxml={results}"], cwd=ROOT)
    if not results.is_file():
        return code or 1
    print(f"\nseconds  (budget {options.budget:g})")
    for case in ElementTree.parse(results).iter("testcase"):
        seconds = float(case.get("time", "nan"))
        broken = case.find("failure") is not None or case.find("error") is not None
        verdict = "FAIL" if broken else "SLOW" if seconds > options.budget else "OK"
        print(f"{seconds:7.1f}  {verdict:4}  {case.get('name')}")
        code = code or int(verdict != "OK")
    return code


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
