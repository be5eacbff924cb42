"""The README and its pages say what is so: commands run, tables name what exists, pictures can be read."""

import http.client
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest
import yaml

import course
from itemmarket.data.checksums import verify_checksums
from itemmarket.titles.checkpoints import write_tiny_checkpoint
from tests.pictures import numbers_in, report_alt
from tests.sharing import course_run

SVG = "{http://www.w3.org/2000/svg}"
TEXT = (course.ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    name: (course.ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for name in ("verbs", "grading", "troubleshooting")
}
ALL = "\n".join([TEXT, *PAGES.values()])
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", ALL, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
PICTURES = dict(re.findall(r'<img src="([^"]+)"[^>]* alt="([^"]+)"', TEXT))


def door(root: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command of the README with this Python in place of the user's."""
    command = [sys.executable, "course.py", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, encoding="utf-8", **options)


def succeed(root: Path, *arguments: str) -> str:
    """Run a command that must end well and return what it printed."""
    result = door(root, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


# ---------------------------------------------------------------- each command, by what it promises


def run_leaves_a_graded_class(root: Path, factory: pytest.TempPathFactory) -> None:
    """`run` executes `grade` as the README spells it, so that one start proves both; all tests share that start."""
    printed = course_run(root, factory)
    started = (printed.parent / "started").stat().st_mtime
    output = printed.read_text(encoding="utf-8")
    assert "$ python3 course.py grade lab1_mlp examples/class --out build/run" in output
    assert (root / "build" / "run" / "gradebook.db").is_file()  # untouched where no score has changed
    for name in ("grades.csv", "report.html"):
        assert (root / "build" / "run" / name).stat().st_mtime >= started - 1, name
    students = sorted(path.name for path in (root / "examples" / "class").iterdir() if path.is_dir())
    graded = (root / "build" / "run" / "grades.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert sorted(line.split(",")[0] for line in graded) == students
    assert all(student in output for student in students)
    assert output.splitlines()[-1].endswith(str(root / "build" / "run" / "report.html"))
    the_table_in_the_readme_is_this_one(graded)
    new = report_alt(root / "build" / "run" / "report.html")
    assert numbers_in(PICTURES["docs/report.png"]) == pytest.approx(numbers_in(new), abs=1)


def the_table_in_the_readme_is_this_one(graded: list[str]) -> None:
    """Its rows show names and states as they came out, and scores to a point or two."""
    rows = re.findall(r"^│ (\w+) +│ +([\d.]+) / (\d+) │ ([\w-]+) ", TEXT, re.MULTILINE)
    assert len(rows) > 3
    found = {student: rest for student, _, *rest in (line.split(",") for line in graded)}
    for student, score, most, status in rows:
        assert found[student][2] == status, student
        assert [float(one) for one in found[student][:2]] == pytest.approx([float(score), float(most)], abs=2)


def ci_runs_every_check(root: Path, tmp_path: Path) -> None:
    """`test` cannot run itself: CI proves it, when it runs exactly this."""
    assert (root / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == "python3 course.py test"
    jobs = yaml.safe_load((root / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert {"run": "python course.py test"} in jobs["test"]["steps"]


def lab_serves_jupyterlab(root: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [
        "--no-browser",
        f"--ServerApp.port={port}",
        "--IdentityProvider.token=t",
        "--ServerApp.port_retries=0",
    ]
    with subprocess.Popen(
        [sys.executable, "course.py", "lab", *options], cwd=root, stdout=-3, stderr=-3
    ) as server:
        try:
            assert answer(server, port, "/lab?token=t") == 200
            assert answer(server, port, "/api/contents/lectures?token=t") == 200
        finally:
            processes = [*psutil.Process(server.pid).children(recursive=True), psutil.Process(server.pid)]
            for process in processes:
                process.terminate()
            _, alive = psutil.wait_procs(processes, timeout=20)
            for process in alive:
                process.kill()


def answer(server: subprocess.Popen, port: int, path: str) -> int:
    """Return the HTTP status of a page, once the server answers."""
    deadline = time.monotonic() + 90
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            assert server.poll() is None, "JupyterLab ended"
            assert time.monotonic() < deadline
            time.sleep(0.2)


def check_tells_a_student_what_is_left(root: Path, tmp_path: Path) -> None:
    result = door(root, "check", "lab1_mlp")
    assert result.returncode == 1
    assert "NotImplementedError" in result.stdout
    assert result.stderr == ""


def train_writes_an_artefact(root: Path, tmp_path: Path) -> None:
    tiny = write_tiny_checkpoint(tmp_path / "tiny")  # MiniLM takes minutes
    out = tmp_path / "artefact"
    options = ["--checkpoint", str(tiny), "--minutes", "0", "--seed", "47", "--out", str(out)]
    output = succeed(root, "train", "rarity", *options)
    assert output.splitlines()[-1].endswith(str(out))
    assert {"manifest.json"} < {path.name for path in out.iterdir()}


def bundle_is_a_course_of_its_own(root: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"  # in place of build/bundle, where an instructor may keep one
    assert str(bundle) in succeed(root, "release", "--to", str(bundle))
    offered = set(re.findall(r"^  (\w+) ", succeed(bundle, "--help"), re.MULTILINE))
    assert {"lab", "check", "check_env", "data"} <= offered
    assert not offered & {"grade", "release", "run", "test", "bench"}
    assert not (bundle / "solutions").exists()
    verdicts = verify_checksums(bundle / "data")
    assert [verdict for verdict in verdicts if verdict.problem] == []


def release_is_idempotent(root: Path, tmp_path: Path) -> None:
    succeed(root, "release", "--check")  # otherwise `release` would write into the repository
    assert "up to date" in succeed(root, "release")


def bench_lists_the_benchmarks(root: Path, tmp_path: Path) -> None:
    output = succeed(root, "bench")
    for path in (root / "benchmarks").glob("[!_]*.py"):
        assert re.search(rf"^  {path.stem} +\S", output, re.MULTILINE), path.stem


def check_env_is_content(root: Path, tmp_path: Path) -> None:
    output = succeed(root, "check_env")
    assert "FAIL" not in output
    assert re.search(r"^OK    numpy ", output, re.MULTILINE)
    assert re.search(r"^OK    data/market.parquet$", output, re.MULTILINE)


def pytest_gets_the_arguments(root: Path, tmp_path: Path) -> None:
    printed = succeed(root, "test", "tests/itemmarket/market/test_names.py")
    assert re.search(r"^=+ \d+ passed in .*=$", printed.splitlines()[-1])


PROOFS = {
    "run": run_leaves_a_graded_class,
    "grade lab1_mlp examples/class --out build/run": run_leaves_a_graded_class,
    "test": ci_runs_every_check,
    "lab": lab_serves_jupyterlab,
    "check lab1_mlp": check_tells_a_student_what_is_left,
    "train rarity": train_writes_an_artefact,
    "release --to build/bundle": bundle_is_a_course_of_its_own,
    "release": release_is_idempotent,
    "test tests/itemmarket/market/test_names.py": pytest_gets_the_arguments,
    "bench": bench_lists_the_benchmarks,
    "check_env": check_env_is_content,
}


def test_every_command_has_a_proof() -> None:
    assert [f"python3 course.py {command}" for command in PROOFS] == sorted(
        set(COMMANDS), key=[f"python3 course.py {command}" for command in PROOFS].index
    )


@pytest.mark.timeout(1800)  # `run` on a slow machine with another worker beside it
@pytest.mark.parametrize("proof", dict.fromkeys(PROOFS.values()), ids=lambda proof: proof.__name__)
def test_command(
    proof: Callable[[Path, object], None],
    root: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    proof(root, tmp_path_factory if proof is run_leaves_a_graded_class else tmp_path)


# ---------------------------------------------------------------- words and picture


def test_every_verb_is_in_the_table() -> None:
    listed = re.findall(r"^\| `([a-z_]+).*` \| \S.* \|$", PAGES["verbs"], re.MULTILINE)
    assert listed == list(course.VERBS)


def test_paths_in_the_text_exist(root: Path) -> None:
    paths = [
        word
        for word in re.findall(r"`([\w./-]+/[\w./-]*)`", ALL)
        if word.split("/")[0] not in ("build", "SUBMITTED", "STUDENT")
    ]
    assert len(paths) > 5
    for path in paths:
        if not re.search(r"NN_topic|LAB", path):
            assert (root / path).exists(), path
    assert TEXT.startswith("# ")


def test_links_lead_to_files(root: Path) -> None:
    pages = [
        root / "README.md",
        root / "CONTRIBUTING.md",
        root / "SECURITY.md",
        *(root / "docs").glob("*.md"),
    ]
    for page in pages:
        for link in re.findall(r"\]\(([^)#:\s]+)\)", page.read_text(encoding="utf-8")):
            assert "ADDRESS" in link or (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_readme_opens_with_what_the_reader_gets() -> None:
    assert list(PICTURES) == ["docs/shuffled.png", "docs/temporal.png", "docs/report.png", "docs/course.svg"]
    assert TEXT.index("docs/report.png") < TEXT.index("## Two commands") < TEXT.index("## Three paths")
    assert TEXT.count("\n") < 150  # details have pages of their own


@pytest.mark.parametrize("source", [name for name in PICTURES if name.endswith(".png")])
def test_pictures_are_small(root: Path, source: str) -> None:
    assert (root / source).stat().st_size < 150_000
    assert len(PICTURES[source]) > 80


def test_the_picture_can_be_read_by_everybody(root: Path) -> None:
    source = "docs/course.svg"
    alt = PICTURES[source]
    picture = ElementTree.parse(root / source).getroot()
    assert len(alt) > 80
    assert picture.get("role") == "img"
    for name in picture.get("aria-labelledby").split():
        (label,) = [child for child in picture if child.get("id") == name]
        assert label.text
    words = " ".join(text for node in picture.iter(f"{SVG}text") for text in node.itertext())
    for word in ("market", "Lecture", "Lab", "Grader", "Report", "student", "instructor", "contributor"):
        assert word in words
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", (root / source).read_text(encoding="utf-8"))


def test_variables_in_the_table_are_read_somewhere(root: Path) -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for pattern in (
            "*.py",
            "itemmarket/**/*.py",
            "autograder/**/*.py",
            "benchmarks/*.py",
            "tests/**/*.py",
        )
        for path in root.glob(pattern)
        if path.name != "test_readme.py"
    )
    for name in re.findall(r"`((?:COURSE|ITEMMARKET)_\w+)`", ALL):
        assert f'"{name}"' in code, name
