"""Our grader beside ``nbgrader autograde``: scores, seconds for each submission, and what a larger class costs.

Both graders get the same submissions and the same checks, ours with the strongest isolation of this machine. The
students' own tests are scored by both; planted bugs, which nbgrader cannot try, are left out and timed apart.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from rich.console import Console
from rich.table import Table

from autograder.labs.definition import Lab, load_lab
from autograder.labs.markers import stub_module
from autograder.labs.notebooks import notebook_bytes
from benchmarks._common import BUILD, ROOT, record
from benchmarks._nbgrader_lab import autograde, make_nbgrader_course

FOLDER = BUILD / "bench" / "grading"
WORKERS = 2
SPEED_LAB = "lab0_slope"
IMPORTS = "import pandas\nimport sklearn.linear_model\nimport torch\n"
OVERHEAD_SECONDS, TIMES_FASTER, TIMES_FASTER_TRAINING = 0.15, 20, 2


@dataclass(frozen=True)
class Graded:
    """One class graded by our grader.

    Attributes
    ----------
    seconds : float
        Wall time of the whole class.
    scores : dict of str to float
        By student.
    judging : list of dict
        For each submission: seconds in its judge, and of these in the student's calls, tests and mutants.
    feedback_seconds : float
        All pages of feedback together.
    peak_mb : dict of str to float
        Resident memory at its peak: of the grader, and of the largest process that it started.
    """

    seconds: float
    scores: dict[str, float]
    judging: list[dict[str, float]]
    feedback_seconds: float
    peak_mb: dict[str, float]


def main(argv: list[str]) -> int:
    """Measure, print the tables and keep the result; return 1 when a figure that the course holds is missed."""
    parser = argparse.ArgumentParser(prog="course.py bench grading", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10 and 40 small submissions, 10 of lab 1")
    parser.add_argument("--lab1", type=int, default=100, help="submissions of lab 1 (default: %(default)s)")
    parser.add_argument(
        "--nbgrader", type=int, default=100, help="of these, how many nbgrader grades too (default: all)"
    )
    parser.add_argument("--one", nargs=3, metavar=("LAB", "SUBMITTED", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one:
        return _grade_here(*map(Path, options.one))
    sizes = (10, 40) if options.quick else (10, 100, 1000)
    shutil.rmtree(FOLDER, ignore_errors=True)
    console = Console()
    speed = measure_overhead(console, sizes)
    size = 10 if options.quick else options.lab1
    training = measure_training(console, size, min(size, options.nbgrader))
    print(f"kept in {record('grading', {'overhead': speed, 'training': training})}")
    held = [
        speed["overhead_seconds"] <= OVERHEAD_SECONDS,
        options.quick or speed["times_faster"] >= TIMES_FASTER,  # in a class of 40 starting up is most of it
        training["times_faster"] >= TIMES_FASTER_TRAINING,
        not speed["different_scores"] and not training["different_scores"],
    ]
    return 0 if all(held) else 1


def measure_overhead(console: Console, sizes: tuple[int, ...]) -> dict[str, object]:
    """Compare the graders on a small lab that imports torch, scikit-learn and pandas.

    The lab's own work is next to nothing, so that what is left is the graders' own.
    """
    lab = speed_lab()
    classes = {size: hand_in(FOLDER / f"speed-{size}", lab, size) for size in sizes}
    graded = {size: grade(lab, folder) for size, folder in classes.items()}
    batch = sizes[1]
    seconds, scores = run_nbgrader(lab, classes[batch])
    table = Table(
        title=f"A lab without training, imports of torch, scikit-learn and pandas; {WORKERS} workers"
    )
    for column in ("class", "seconds", "a submission", "grader MB", "largest judge MB"):
        table.add_column(column, justify="right")
    for size, ours in graded.items():
        peaks = [f"{ours.peak_mb[key]:.0f}" for key in ("grader", "largest child")]
        table.add_row(f"{size}", f"{ours.seconds:.1f}", f"{ours.seconds / size:.3f}", *peaks)
    table.add_row(f"nbgrader, {batch}", f"{seconds:.1f}", f"{seconds / batch:.3f}", "", "")
    console.print(table)
    small, large = graded[sizes[0]], graded[batch]
    feedback = large.feedback_seconds / batch
    marginal = (large.seconds - small.seconds) / (batch - sizes[0])
    student = _median(large, "calls") / WORKERS
    overhead = marginal - feedback - student
    different = _different(large.scores, scores)
    result = {
        "submissions": batch,
        "nbgrader_seconds_each": seconds / batch,
        "our_seconds_each": large.seconds / batch,
        "marginal_seconds_each": marginal,
        "feedback_seconds_each": feedback,
        "student_seconds_each": student,
        "overhead_seconds": overhead,
        "times_faster": (seconds / batch) / (large.seconds / batch),
        "times_faster_overhead": (seconds / batch) / overhead,
        "seconds_each_by_size": {str(size): ours.seconds / size for size, ours in graded.items()},
        "peak_mb_by_size": {str(size): ours.peak_mb for size, ours in graded.items()},
        "different_scores": different,
    }
    console.print(
        f"each further submission: {marginal:.3f} s, of which feedback {feedback:.3f} s and the student's calls "
        f"{student:.3f} s; overhead {overhead:.3f} s (at most {OVERHEAD_SECONDS})\n"
        f"nbgrader / ours, the whole batch: {result['times_faster']:.0f} times (at least {TIMES_FASTER}); "
        f"nbgrader / our overhead: {result['times_faster_overhead']:.0f} times\n"
        f"scores compared: {len(scores)}, different: {different or 'none'}\n",
        soft_wrap=True,
        markup=False,
    )
    return result


def measure_training(console: Console, size: int, sample: int) -> dict[str, object]:
    """Compare the graders on lab 1, where each submission trains its models; nbgrader has the first ``sample``."""
    lab, whole = (
        without_planted_bugs(ROOT / "solutions" / "lab1_mlp"),
        load_lab(ROOT / "solutions" / "lab1_mlp"),
    )
    submitted = example_class(FOLDER / "training", lab, size)
    ours = grade(lab, submitted)
    mutants = grade(whole, example_class(FOLDER / "mutants", whole, min(size, 4)))
    seconds, scores = run_nbgrader(lab, example_class(FOLDER / "sample", lab, sample))
    different = _different({student: ours.scores[student] for student in scores}, scores)
    shared = hidden_data_seconds(lab)
    result = {
        "submissions": size,
        "submissions_nbgrader": sample,
        "nbgrader_seconds_each": seconds / sample,
        "our_seconds_each": ours.seconds / size,
        "times_faster": (seconds / sample) / (ours.seconds / size),
        "hidden_data_seconds": shared,
        "times_faster_without_hidden_data": (seconds / sample - shared) / (ours.seconds / size),
        "median_seconds": {part: _median(ours, part) for part in ("judge", "calls", "own tests", "overhead")},
        "mutants_median_seconds": _median(mutants, "mutants"),
        "feedback_seconds_each": ours.feedback_seconds / size,
        "peak_mb": ours.peak_mb,
        "different_scores": different,
    }
    table = Table(title=f"Lab 1 with training, {size} submissions, {WORKERS} workers")
    for column in ("", "seconds", "a submission"):
        table.add_column(column, justify="right")
    table.add_row("ours", f"{ours.seconds:.0f}", f"{ours.seconds / size:.2f}")
    table.add_row(f"nbgrader, {sample}", f"{seconds:.0f}", f"{seconds / sample:.2f}")
    console.print(table)
    medians = ", ".join(f"{part} {value:.2f} s" for part, value in result["median_seconds"].items())
    console.print(
        f"nbgrader / ours: {result['times_faster']:.1f} times (at least {TIMES_FASTER_TRAINING}); without the "
        f"{shared:.1f} s in which each kernel makes the hidden market and its forest, which our judges make once: "
        f"{result['times_faster_without_hidden_data']:.1f} times\n"
        f"medians in a judge: {medians}; planted bugs, left out above: {result['mutants_median_seconds']:.1f} s\n"
        f"scores compared: {len(scores)}, different: {different or 'none'}",
        soft_wrap=True,
        markup=False,
    )
    return result


def hidden_data_seconds(lab: Lab) -> float:
    """Return how long a fresh process makes what lab 1's hidden checks compare with, its imports aside."""
    program = (
        "import time, reference, visible_checks; began = time.perf_counter(); "
        f"reference.rmse_of('forest', {lab.hidden_seed}); print(time.perf_counter() - began)"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(lab.folder)}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return float(ran.stdout)


def speed_lab() -> Lab:
    """Return the tests' small lab, importing what labs import, without a question on own tests."""
    folder = without_planted_bugs(ROOT / "tests" / "labs" / SPEED_LAB).folder
    notebook, settings, module = (folder / name for name in (f"{SPEED_LAB}.py", "lab.toml", "slope.py"))
    text = notebook.read_text(encoding="utf-8")
    notebook.write_text(text[: text.index("# %% [markdown]\n# ## Task 4")], encoding="utf-8")
    lines = settings.read_text(encoding="utf-8").splitlines(keepends=True)
    settings.write_text("".join(line for line in lines if not line.startswith("own_tests")), encoding="utf-8")
    text = module.read_text(encoding="utf-8")
    module.write_text(
        text.replace("import numpy as np\n", "import numpy as np\n" + IMPORTS, 1), encoding="utf-8"
    )
    return load_lab(folder)


def without_planted_bugs(source: Path) -> Lab:
    """Return a copy of a lab whose own tests are worth their coverage, as with nbgrader."""
    folder = FOLDER / "labs" / source.name
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("mutants", "variants", "__pycache__"))
    return load_lab(folder)


def hand_in(submitted: Path, lab: Lab, size: int) -> Path:
    """Write a class: the reference, its planted bugs, and an untouched stub, in turn."""
    whole = load_lab(ROOT / "tests" / "labs" / SPEED_LAB)
    reference = (lab.folder / lab.files.module).read_text(encoding="utf-8")
    modules = [reference, stub_module(reference)]
    modules += [
        text.replace("import numpy as np\n", "import numpy as np\n" + IMPORTS, 1) for text in _mutants(whole)
    ]
    for number, module in enumerate(islice(cycle(modules), size)):
        folder = submitted / f"student{number:04d}" / lab.name
        folder.mkdir(parents=True)
        (folder / lab.files.notebook).write_bytes(notebook_bytes(lab.notebook))
        (folder / lab.files.module).write_text(module, encoding="utf-8")
        shutil.copyfile(lab.folder / lab.files.tests, folder / lab.files.tests)
    return submitted


def _mutants(lab: Lab) -> list[str]:
    """Return the planted bugs, but the one that makes numpy warn: nbgrader gives nothing for a cell that warns."""
    return [mutant.text for mutant in lab.mutants if mutant.name != "too_few_accepted"]


def example_class(submitted: Path, lab: Lab, size: int) -> Path:
    """Write a class of copies of some students of the example class.

    Left out are those of whom nbgrader makes something else by design: it gives nothing for right code that
    writes a warning (dora), does not grade a notebook in which a cell occurs twice (jun), and waits for an
    endless loop (goran).
    """
    students = [ROOT / "examples" / "class" / name for name in ("ada", "chidi", "emil")]
    for number, student in enumerate(islice(cycle(students), size)):
        shutil.copytree(student / lab.name, submitted / f"{student.name}{number:04d}" / lab.name)
    return submitted


def grade(lab: Lab, submitted: Path) -> Graded:
    """Grade a class in a process of its own, as ``course.py grade`` does."""
    out = FOLDER / "ours" / submitted.name
    command = [sys.executable, "-m", "benchmarks.grading", "--one", str(lab.folder), str(submitted), str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Graded(**json.loads(ran.stdout.splitlines()[-1]))


def _grade_here(folder: Path, submitted: Path, out: Path) -> int:
    """Grade one class in this process and print what :class:`Graded` holds."""
    from autograder.running import grade_class as grading
    from autograder.running.store import Store

    feedback = 0.0
    write_feedback = grading.write_feedback

    def timed(*arguments: object) -> object:
        nonlocal feedback
        began = time.perf_counter()
        try:
            return write_feedback(*arguments)
        finally:
            feedback += time.perf_counter() - began

    grading.write_feedback = timed
    lab = load_lab(folder)
    began = time.perf_counter()
    result = grading.grade_class(lab, submitted, out, WORKERS)
    seconds = time.perf_counter() - began
    if result.failures:
        raise RuntimeError(f"not graded: {result.failures}")
    students = [row["student"] for row in result.rows]
    verdicts = list(Store(out, lab).verdicts(students))
    judging = [
        {"judge": v.seconds, "overhead": v.seconds - sum(v.timings.values()), **v.timings} for v in verdicts
    ]
    unit = 2**10 if sys.platform == "linux" else 2**20  # ru_maxrss: kilobytes, on macOS bytes
    peaks = {"grader": resource.RUSAGE_SELF, "largest child": resource.RUSAGE_CHILDREN}
    graded = {
        "seconds": seconds,
        "scores": {row["student"]: float(row["score"]) for row in result.rows},
        "judging": judging,
        "feedback_seconds": feedback,
        "peak_mb": {name: resource.getrusage(who).ru_maxrss / unit for name, who in peaks.items()},
    }
    print(json.dumps(graded))
    return 0


def run_nbgrader(lab: Lab, submitted: Path) -> tuple[float, dict[str, float | None]]:
    """Grade a class with plain nbgrader in one batch; its making of the assignment is not timed."""
    root = FOLDER / "nbgrader" / submitted.name
    make_nbgrader_course(root, lab, submitted)
    return autograde(root, lab)


def _median(graded: Graded, part: str) -> float:
    return statistics.median(judged.get(part, 0.0) for judged in graded.judging)


def _different(
    ours: dict[str, float], theirs: dict[str, float | None]
) -> dict[str, tuple[float, float | None]]:
    """Return both scores of the submissions on which the graders do not agree to a hundredth."""
    pairs = {student: (score, theirs.get(student)) for student, score in ours.items()}
    return {s: (a, b) for s, (a, b) in pairs.items() if b is None or abs(a - b) > 0.011}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
