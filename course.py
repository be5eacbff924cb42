#!/usr/bin/env python3
"""The command line of the course: ``python3 course.py VERB``.

Until ``.venv`` exists, this file and ``course_environment.py``, which makes it, use the standard library only.
Then the file starts itself again with the environment's Python and hands the verb to the module that does the work.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python must be able to parse this file and say so
    sys.exit(
        f"course.py: the course needs Python 3.11 or newer and this is Python {sys.version.split()[0]} "
        f"({sys.executable}): install a newer one, then start again with it, for example: python3.12 course.py run"
    )

import contextlib
import os
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent
if str(ROOT) not in sys.path:  # `python3 -P` leaves it out; the modules of all verbs lie below it
    sys.path.insert(0, str(ROOT))

from course_environment import (  # noqa: E402 - it lies on the path only now
    PYTHON,
    WINDOWS,
    CourseError,
    call,
    compute_on_one_thread,
    ensure_environment,
    environment_variables,
    inside,
    is_ready,
    say,
)


class Verb(NamedTuple):
    """One thing the command line can do: a line of help, the function that does it, what it needs beside its module."""

    help: str
    target: str  # "module:function", imported when the verb is used; the function takes argv, returns an exit code
    needs: str = ""  # a path below the repository; a student bundle lacks some, and then the verb is hidden


VERBS = {
    "run": Verb(
        "set up, then the main job: verify the data, run lecture 1, grade the example class", "tasks:run"
    ),
    "test": Verb("set up, then every check (--long: the full form of the slow ones, too)", "tasks:test"),
    "lab": Verb("open JupyterLab on the lectures and labs", "course:lab"),
    "check_env": Verb("one line per requirement: OK, or FAIL with the cure", "course_environment:check_env"),
    "check": Verb(
        "LAB: a student's own check, the visible part of the grader's verdict", "autograder.cli:check"
    ),
    "train": Verb("rarity: lab 3's classifier on all its titles, up to twenty minutes", "labkit.train:main"),
    "notebooks": Verb("execute every lecture notebook and print its seconds", "tasks:notebooks", "lectures"),
    "data": Verb("build | verify | import | fetch: the catalogue and the market", "itemmarket.data.cli:data"),
    "release": Verb(
        "derive notebooks and labs from their sources (--to DIR: the student bundle)",
        "autograder.release.command:main",
        "solutions",
    ),
    "grade": Verb("LAB SUBMITTED: grade a class into --out DIR", "autograder.cli:grade", "solutions"),
    "bench": Verb(
        "[NAME]: measure one thing and keep it in build/bench/NAME.json", "tasks:bench", "benchmarks"
    ),
}
HELP = ("-h", "--help")
LAB_USAGE = """\
usage: course.py lab [option of JupyterLab ...]

Open JupyterLab on the lectures and labs. Every option goes to JupyterLab: --no-browser starts it without opening
a page, --port=8889 chooses another port, --help-all lists the rest."""


def lab(argv: list[str]) -> int:
    """Start JupyterLab in the repository; arguments go to JupyterLab."""
    if any(option in HELP for option in argv):
        print(LAB_USAGE)
        return 0
    compute_on_one_thread()  # for the kernels
    command = [str(PYTHON), "-m", "jupyterlab", "--ServerApp.root_dir", str(ROOT)]
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # a container: Jupyter asks root to say so
        command.append("--allow-root")
    return call([*command, *argv])


def is_here(verb: Verb) -> bool:
    """Tell whether this copy of the course holds what a verb needs."""
    module = ROOT.joinpath(*verb.target.partition(":")[0].split("."))
    return (module.with_suffix(".py").is_file() or (module / "__init__.py").is_file()) and (
        ROOT / verb.needs
    ).exists()


def usage() -> str:
    """Return the help: one line per verb that this copy of the course has."""
    lines = [f"  {name:<10} {verb.help}" for name, verb in VERBS.items() if is_here(verb)]
    return "\n".join(
        ["usage: python3 course.py VERB [options]", "", *lines, "", "VERB --help tells the options."]
    )


def find(name: str) -> Verb:
    """Return the verb of that name.

    Raises
    ------
    CourseError
        When there is no such verb, or this copy of the course lacks what it needs.
    """
    verb = VERBS.get(name)
    if verb is None:
        from difflib import get_close_matches

        near = get_close_matches(name, VERBS, n=1, cutoff=0.5)
        cure = f"did you mean `{near[0]}`?" if near else "`python3 course.py --help` lists them."
        raise CourseError(f"There is no verb `{name}`: {cure}")
    if not is_here(verb):
        raise CourseError(
            f"`{name}` is not in this copy of the course: it needs the instructor's full repository."
        )
    return verb


def start(verb: Verb, argv: list[str]) -> int:
    """Import the module of a verb, hand it the arguments and return the exit code."""
    module, _, function = verb.target.partition(":")
    return getattr(import_module(module), function)(argv)


def enter(argv: list[str]) -> int:
    """Start this file again with the environment's Python."""
    command = [str(PYTHON), str(ROOT / "course.py"), *argv]
    if WINDOWS:  # exec would give the console back before the verb has ended
        return call(command)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], command, environment_variables())


def main(argv: list[str]) -> int:
    """Do what the command line says and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a console that lacks a character must not end a verb
    if not argv or argv[0] in (*HELP, "help"):
        print(usage())
        return 0 if argv else 2
    name, *rest = argv
    try:
        verb = find(name)
        if any(option in HELP for option in rest) and not is_ready():
            with contextlib.suppress(ImportError):  # of a package: then help needs the environment, too
                return start(verb, rest)
        if name != "check_env":  # which reports on the environment as it is
            ensure_environment()
        if is_ready() and not inside():
            return enter(argv)
        wanted = environment_variables()  # a user who started .venv's Python directly lacks some of them
        os.environ.clear()
        os.environ.update(wanted)
        return start(verb, rest)
    except CourseError as error:
        say(f"course.py: {error}")
        return 1
    except KeyboardInterrupt:
        say("\nStopped.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
