"""Similar submissions are found; the lab's template and the form of the task are no evidence."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder.intake.arrangement import Arrangement
from autograder.intake.submission import Submission, find_submissions, read_submission
from autograder.labs.definition import Lab, load_lab
from autograder.labs.markers import stub_module
from autograder.results import similarity
from autograder.results.similarity import find_groups


@pytest.fixture(scope="module")
def lab(root) -> Lab:
    return load_lab(root / "solutions" / "lab1_mlp")


@pytest.fixture(scope="module")
def sources(lab) -> dict[str, str]:
    return {name: (lab.folder / name).read_text(encoding="utf-8") for name in lab.files.python}


def submission(folder: Path, student: str, files: dict[str, str], answers: str = "") -> Submission:
    (folder / student).mkdir(parents=True)
    own = {}
    for name, text in files.items():
        own[name] = folder / student / name
        own[name].write_text(text, encoding="utf-8")
    arrangement = Arrangement()
    if answers:
        arrangement.answers["reading_code"] = [answers]
    return Submission(student, folder / student, own, own, arrangement)


def renamed(text: str) -> str:
    """Return a module as somebody hands it in who hopes that nobody notices."""
    for old, new in (("scaled", "z"), ("self.mean_", "self.centre_"), ("tail", "rest"), ("losses", "errors")):
        text = text.replace(old, new)
    lines = text.split("\n")
    return "\n".join(line if {'"', "'"} & set(line) else f"{line}  # mine" for line in lines)


def scrambled(text: str, seed: int) -> str:
    lines = text.split("\n")
    random.Random(seed).shuffle(lines)
    return "\n".join(lines)


def test_the_example_class(root, lab):
    folders = find_submissions(root / "examples" / "class", lab.name)
    (group,) = find_groups(lab, (read_submission(lab, *item) for item in folders.items()))
    assert {"ada", "dora", "goran", "ivan", "jun"} <= set(group.students)
    assert "bela" not in group.students  # the untouched template
    assert {"ada", "jun"} <= group.identical and "dora" not in group.identical
    assert group.facts["jun"].startswith("All of the code, template aside, is also in ada's submission")
    assert "test_mlp.py identical" in group.facts["dora"]


def test_renamed_commented_and_reformatted_code_is_similar(tmp_path, lab, sources):
    one = submission(tmp_path, "one", sources)
    two = submission(tmp_path, "two", {name: renamed(text) for name, text in sources.items()})
    other = submission(tmp_path, "other", {name: scrambled(text, 1) for name, text in sources.items()})
    (group,) = find_groups(lab, [one, two, other])
    assert group.students == ("one", "two") and not group.identical
    assert group.highest > 0.9
    assert "also in two's submission: mlp.py" in group.facts["one"]


def test_comments_and_layout_leave_code_identical(tmp_path, lab, sources):
    one = submission(tmp_path, "one", sources)
    two = submission(tmp_path, "two", {name: f"# by me\n\n{text}\n\n" for name, text in sources.items()})
    (group,) = find_groups(lab, [one, two])
    assert group.identical == {"one", "two"}


def test_independent_solutions_are_not_similar(tmp_path, lab, sources):
    variants = sorted((lab.folder / "variants").glob("*.py"))
    assert variants
    class_ = [submission(tmp_path, "reference", {"mlp.py": sources["mlp.py"]})]
    class_ += [
        submission(tmp_path, path.stem, {"mlp.py": path.read_text(encoding="utf-8")}) for path in variants
    ]
    assert find_groups(lab, class_) == []


def test_the_template_and_nothing_are_no_evidence(tmp_path, lab, sources):
    stubs = {name: stub_module(text) for name, text in sources.items()}
    class_ = [submission(tmp_path, name, stubs) for name in ("one", "two")]
    class_ += [submission(tmp_path, name, {}) for name in ("three", "four")]
    class_ += [submission(tmp_path, name, {"mlp.py": "x = 1\n"}, "answers = {}") for name in ("five", "six")]
    assert find_groups(lab, class_) == []


def test_what_the_whole_class_writes_is_no_evidence(tmp_path, lab, sources):
    """A solution that a third of a large class shares in part is how the task is done, not a copy."""
    shared, _, end = sources["mlp.py"].partition("    def save(")
    class_ = [submission(tmp_path, f"s{i:02}", {"mlp.py": shared + scrambled(end, i)}) for i in range(12)]
    assert find_groups(lab, class_[:2]) != []  # of two students it is much
    assert find_groups(lab, class_) == []


def test_code_that_is_no_python_is_compared_too(tmp_path, lab, sources):
    broken = {name: f"{text}\nif:\n" for name, text in sources.items()}
    class_ = [submission(tmp_path, "one", broken), submission(tmp_path, "two", broken)]
    assert find_groups(lab, class_)[0].identical == {"one", "two"}


def test_order_and_process_do_not_matter(root, lab):
    folders = find_submissions(root / "examples" / "class", lab.name)
    class_ = [read_submission(lab, *item) for item in folders.items()]
    found = find_groups(lab, class_)
    assert find_groups(lab, class_[::-1]) == found
    script = (
        "from pathlib import Path; from autograder.labs.definition import load_lab;"
        "from autograder.results.similarity import *;"
        "from autograder.intake.submission import *; lab = load_lab(Path('solutions/lab1_mlp'));"
        "folders = find_submissions(Path('examples/class'), lab.name);"
        "print(find_groups(lab, (read_submission(lab, *item) for item in folders.items()))[0].facts)"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert (ran.stdout.strip(), ran.stderr) == (str(found[0].facts), "")


def test_checking_needs_no_plotting(root):
    """copydetect draws in matplotlib: only a class that is compared may pay for it."""
    script = (
        "import sys, autograder.cli, autograder.running.grade_class;"
        "print({'copydetect', 'matplotlib'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "n", [pytest.param(40, id="40"), pytest.param(1000, id="1000", marks=pytest.mark.long)]
)
def test_the_cost_grows_with_the_class_and_not_with_its_pairs(tmp_path, lab, sources, n):
    class_ = [
        submission(tmp_path, f"s{i:04}", {name: scrambled(text, i) for name, text in sources.items()})
        for i in range(n)
    ]
    find_groups(lab, class_[:2])  # imports
    seconds = []
    for size in (n // 4, n):
        began = time.process_time()
        find_groups(lab, class_[:size])
        seconds.append(time.process_time() - began)
    assert seconds[1] < 2 * 4 * seconds[0]  # pairs would cost 16 times as much


def test_different_code_has_different_hashes(sources):
    """Equal hashes of different code would be false evidence."""
    from copydetect.utils import filter_code

    text = "\n".join(sources.values())
    tokens = filter_code(text, "", "python")[0]
    grams = {tokens[i : i + similarity.GRAM] for i in range(len(tokens) - similarity.GRAM + 1)}
    hashes = similarity._grams(text)
    assert len(set(hashes.tolist())) == len(grams) > 2000 and hashes.max() < 2**52
