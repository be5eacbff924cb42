"""Derived files follow from their sources alone, and students get nothing that gives a solution away."""

import ast
import asyncio
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient
from nbgrader.utils import compute_checksum

from autograder.labs.definition import load_lab
from autograder.labs.markers import solution_regions, stub, stub_module
from autograder.labs.secret import EXAMPLE, VARIABLE
from autograder.release import command
from autograder.release.bundle import ENGINE, MANIFEST, BundleError, bundle_files, write_bundle
from autograder.release.derive import derive, load_labs
from autograder.release.leaks import find_leaks
from tests.conftest import ROOT

LECTURE = """# %% [markdown]
# # Lecture 1 – caf\u00e9
#
# Look at the number.

# %%
print("six")


# %% tags=["hide-input"]
6 * 7
"""
STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
LAB_FILES = (
    ".released.ipynb",
    "lab.toml",
    "lab0_slope.ipynb",
    "slope.py",
    "test_slope.py",
    "visible_checks.py",
)


def copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file's time of change and content."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def sources(root, tmp_path) -> Path:
    """A repository with one lab and one lecture."""
    repository = tmp_path / "repository"
    copy(root / "tests/labs/lab0_slope", repository / "solutions/lab0_slope")
    (repository / "lectures/source").mkdir(parents=True)
    (repository / "lectures/source/01_number.py").write_text(LECTURE, encoding="utf-8")
    return repository


@pytest.fixture
def course(sources, root, monkeypatch) -> Path:
    """The same with all that a bundle takes along; the verb works there."""
    for package in ("itemmarket", "labkit"):
        copy(root / package, sources / package)
    copy(root / "autograder", sources / "autograder")
    copy(root / "data", sources / "data")
    entry = ("course.py", "course_environment.py")
    licences = ("LICENSE", "LICENSE-docs", "NOTICE")
    for name in (*entry, *licences, "requirements.txt", "constraints.txt", "pyproject.toml"):
        shutil.copy(root / name, sources / name)
    monkeypatch.setattr(command, "ROOT", sources)
    return sources


@pytest.fixture
def bundle(course, tmp_path) -> Path:
    """The student bundle of that repository."""
    folder = tmp_path / "bundle"
    assert command.main(["--to", str(folder)]) == 0
    return folder


# ---------------------------------------------------------------- markers


line = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=30).filter(
    lambda text: "SOLUTION" not in text
)
parts = st.lists(st.tuples(st.booleans(), st.integers(0, 8), st.lists(line, max_size=4)), max_size=6)


@given(parts)
def test_stub_keeps_what_is_outside_the_markers(parts):
    text, expected, regions = [], [], []
    for is_solution, indent, lines in parts:
        blank = " " * indent
        if is_solution:
            text += [f"{blank}### BEGIN SOLUTION", *lines, f"{blank}### END SOLUTION"]
            expected += [blank + stub_line for stub_line in STUB.split("\n")]
            regions.append("\n".join(lines))
        else:
            text += lines
            expected += lines
    assert solution_regions("\n".join(text)) == regions
    assert stub("\n".join(text)) == "\n".join(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n### BEGIN SOLUTION\n", "line 2: BEGIN SOLUTION without END"),
        ("### END SOLUTION\n", "line 1: END SOLUTION without BEGIN"),
        ("### BEGIN SOLUTION\n\n### BEGIN SOLUTION\n### END SOLUTION\n", "line 3: .* that line 1 opens"),
        ("x = 1\n", "nothing is marked"),
        ("def f():\n### BEGIN SOLUTION\n    pass\n### END SOLUTION\n", "indentation of the code"),
    ],
)
def test_wrong_markers_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        stub_module(text)


# ---------------------------------------------------------------- what is derived


def test_what_is_derived(sources):
    files = derive(sources, load_labs(sources))
    assert sorted(files) == sorted(
        ["lectures/01_number.ipynb", *(f"labs/lab0_slope/{name}" for name in LAB_FILES)]
    )
    assert all(b"\r" not in content and content.endswith(b"\n") for content in files.values())
    assert b"caf\xc3\xa9" in files["lectures/01_number.ipynb"]


def test_notebooks_hold_nothing_that_changes(sources):
    files = derive(sources, load_labs(sources))
    for name, content in files.items():
        if not name.endswith(".ipynb"):
            continue
        notebook = json.loads(content)
        nbformat.validate(notebook)
        assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
        assert notebook["metadata"]["language_info"] == {"name": "python"}
        for index, cell in enumerate(notebook["cells"]):
            grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
            assert cell["id"] == (grade_id or f"cell-{index:02d}")
            assert set(cell["metadata"]) <= {"nbgrader", "tags", "deletable", "editable"}
            if cell["cell_type"] == "code":
                assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_released_notebook_is_nbgraders(sources):
    files = derive(sources, load_labs(sources))
    assert files["labs/lab0_slope/lab0_slope.ipynb"] == files["labs/lab0_slope/.released.ipynb"]
    notebook = nbformat.reads(files["labs/lab0_slope/lab0_slope.ipynb"].decode(), as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    assert cells["report_code"].source == (
        'def report(value: float) -> str:\n    """Return a sentence about a slope."""\n'
        "    # YOUR CODE HERE\n    raise NotImplementedError()"
    )
    assert cells["report"].metadata.editable is False
    assert cells["report_code"].metadata.get("editable", True)
    checked = [cell for cell in notebook.cells if "checksum" in cell.metadata.get("nbgrader", {})]
    assert len(checked) == 7
    for cell in checked:
        assert cell.metadata.nbgrader.checksum == compute_checksum(cell)


def test_modules_are_stubs(sources):
    files = derive(sources, load_labs(sources))
    module = files["labs/lab0_slope/slope.py"].decode()
    assert module.count("        # YOUR CODE HERE\n        raise NotImplementedError()\n") == 2
    assert "SOLUTION" not in module
    assert "return values - values.mean()" not in module
    assert "self.intercept = 0.0" in module
    assert files["labs/lab0_slope/test_slope.py"].decode().count("raise NotImplementedError()") == 2


SCRIPT = """
import hashlib, sys
from pathlib import Path
from autograder.release.derive import derive, load_labs
root = Path(sys.argv[1])
for name, content in derive(root, load_labs(root)).items():
    print(name, hashlib.sha256(content).hexdigest())
"""


def test_same_bytes_everywhere(sources, root, tmp_path):
    with (sources / "solutions/lab0_slope/slope.py").open("a", encoding="utf-8", newline="\n") as module:
        module.write("# a slope of 45\u00b0\n")
    files = derive(sources, load_labs(sources))
    expected = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    for path in filter(Path.is_file, [*sources.glob("solutions/**/*"), *sources.glob("lectures/source/*")]):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    elsewhere = tmp_path / "elsewhere [1]"
    sources.rename(elsewhere)
    environment = os.environ | {"PYTHONPATH": str(root), "LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONUTF8": "0"}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(elsewhere)],
        cwd=tmp_path,
        env=environment | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert dict(row.split() for row in ran.stdout.splitlines()) == expected
    assert ran.stderr == ""


def test_committed_files_are_up_to_date(capsys):
    assert command.main(["--check"]) == 0, capsys.readouterr().err


# ---------------------------------------------------------------- the verb


def test_release_writes_once(course, capsys):
    assert command.main([]) == 0
    assert "written  labs/lab0_slope/slope.py" in capsys.readouterr().out
    before = snapshot(course)
    assert all(f"labs/lab0_slope/{name}" in before for name in LAB_FILES)
    assert command.main([]) == 0
    assert "written" not in capsys.readouterr().out
    assert snapshot(course) == before
    assert command.main(["--check"]) == 0


def test_release_touches_only_what_changed(course):
    command.main([])
    before = snapshot(course)
    (course / "labs/lab0_slope/slope.py").write_text("x = 1\n")
    assert command.main([]) == 0
    after = snapshot(course)
    assert {name for name in after if after[name][0] != before[name][0]} == {"labs/lab0_slope/slope.py"}
    assert {name: content for name, (_, content) in after.items()} == {
        name: content for name, (_, content) in before.items()
    }


def test_stale_files_go_and_others_stay(course, capsys):
    command.main([])
    kept = [
        "labs/README.md",
        "labs/lab0_slope/notes.txt",
        "labs/.ipynb_checkpoints/a.ipynb",
        "lectures/plan.md",
    ]
    for name in kept:
        (course / name).parent.mkdir(exist_ok=True)
        (course / name).write_text("kept")
    copy(course / "labs/lab0_slope", course / "labs/lab9_gone")
    (course / "labs/lab9_gone/notes.txt").unlink()
    stale = ["lectures/02_gone.ipynb", "labs/lab0_slope/helper.py"]
    for name in stale:
        (course / name).write_text("{}")
    stale += [f"labs/lab9_gone/{name}" for name in LAB_FILES]
    assert command.main(["--check"]) == 1
    errors = capsys.readouterr().err
    assert all(f"stale    {name}" in errors for name in stale)
    assert command.main([]) == 0
    assert not (course / "labs/lab9_gone").exists()
    assert not any((course / name).exists() for name in stale)
    assert all((course / name).read_text() == "kept" for name in kept)


def test_check_names_what_is_wrong_and_the_cure(course, capsys):
    command.main([])
    (course / "labs/lab0_slope/slope.py").write_bytes(
        (course / "labs/lab0_slope/slope.py").read_bytes().replace(b"\n", b"\r\n")
    )
    (course / "lectures/01_number.ipynb").unlink()
    before = snapshot(course)
    assert command.main(["--check"]) == 1
    errors = capsys.readouterr().err
    assert "missing  lectures/01_number.ipynb" in errors
    assert "differs  labs/lab0_slope/slope.py" in errors
    assert "run course.py release" in errors
    assert "visible_checks.py" not in errors
    assert snapshot(course) == before


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("slope.py", "### END SOLUTION", "", "slope.py: line"),
        ("test_slope.py", "SOLUTION", "ANSWER", "test_slope.py: nothing is marked BEGIN SOLUTION"),
        ("lab0_slope.py", "    ### END SOLUTION", "", "cell report_code: line 3: BEGIN SOLUTION without"),
        (
            "lab0_slope.py",
            '"solution": true',
            '"solution": false',
            "cell report_code holds a solution: its nbgrader",
        ),
        ("lab.toml", "title", "titel", "unknown name 'titel'"),
    ],
)
def test_what_cannot_be_released_changes_nothing(course, capsys, file, old, new, message):
    command.main([])
    (course / "lectures/01_number.ipynb").unlink()
    path = course / "solutions/lab0_slope" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    before = snapshot(course)
    capsys.readouterr()
    assert command.main([]) == 1
    errors = capsys.readouterr().err
    assert message in errors
    assert "Traceback" not in errors
    assert snapshot(course) == before


# ---------------------------------------------------------------- the bundle


def test_bundle_holds_what_students_need(bundle):
    names = set(snapshot(bundle))
    assert {"course.py", "course_environment.py", "README.md"} <= names
    assert {"LICENSE", "LICENSE-docs", "NOTICE"} <= names
    assert {"requirements.txt", "constraints.txt", "pyproject.toml"} <= names
    assert {"itemmarket/__init__.py", "data/catalogue.parquet", "lectures/01_number.ipynb"} <= names
    assert {f"labs/lab0_slope/{name}" for name in LAB_FILES} <= names
    assert {name for name in names if name.startswith("autograder/")} == engine()
    allowed = {"itemmarket", "labkit", "autograder", "lectures", "labs", "data", ".github"}
    assert {name.split("/")[0] for name in names if "/" in name} == allowed
    forbidden = re.compile(
        "solution|hidden|reference|mutants/|variants/|gradebook|release/|leaks|source/|class/"
    )
    assert not [name for name in names if forbidden.search(name)]
    readme = (bundle / "README.md").read_text(encoding="utf-8")
    assert "labs/lab0_slope/lab0_slope.ipynb`: Lab 0: a straight line (12 points)" in readme
    assert "lectures/01_number.ipynb" in readme
    assert "python course.py check lab0_slope" in readme
    assert "$" not in readme


def engine() -> set[str]:
    """Paths of the engine's modules that the bundle says it holds."""
    return {
        Path("autograder", room, f"{name}.py").as_posix() for room, names in ENGINE.items() for name in names
    }


def imported(root: Path, module: str) -> set[str]:
    """Modules of the engine that a module imports; of those in the verbs' functions, only what `check` has."""
    tree = ast.parse((root / module).read_text("utf-8"))
    if module == "autograder/cli.py":
        tree.body = [
            node for node in tree.body if getattr(node, "name", "check") not in ("grade", "_collected")
        ]
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    names = {node.module for node in imports}
    names |= {f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    paths = {name.replace(".", "/") + ".py" for name in names if name.startswith("autograder.")}
    return {path for path in paths if (root / path).is_file()}


def test_engine_in_the_bundle_is_what_check_imports(root):
    needed, waiting = (
        set(),
        {*("autograder/cli.py", "autograder/worker/serve.py", "autograder/sandbox/zygote.py")},
    )
    while waiting:
        module = waiting.pop()
        needed |= {module, Path(module).with_name("__init__.py").as_posix(), "autograder/__init__.py"}
        waiting |= imported(root, module) - needed
    needed.discard("autograder/labs/secret.py")  # which a released lab, without hidden checks, never asks for
    assert engine() == needed


def test_bundle_takes_nothing_from_labs_that_somebody_worked_on(course, tmp_path):
    command.main([])
    (course / "labs/lab0_slope/slope.py").write_text("my = 'work'\n")
    (course / "data/private.parquet").write_bytes(b"somebody's import")
    assert command.main(["--to", str(tmp_path / "bundle")]) == 0
    assert "my = " not in (tmp_path / "bundle/labs/lab0_slope/slope.py").read_text()
    assert not (tmp_path / "bundle/data/private.parquet").exists()


def test_bundle_offers_the_verbs_that_it_can_do(bundle):
    ran = subprocess.run(
        [sys.executable, "course.py", "--help"], cwd=bundle, capture_output=True, text=True, check=True
    )
    verbs = {row.split()[0] for row in ran.stdout.splitlines() if row.startswith("  ")}
    assert {"lab", "check", "check_env", "data"} <= verbs
    assert not verbs & {"release", "grade", "run", "test", "bench"}


def test_bundle_over_an_earlier_one(course, bundle):
    extra = ["notes.md", ".git/config", "build/log.txt"]
    for name in extra:
        (bundle / name).parent.mkdir(exist_ok=True)
        (bundle / name).write_text("kept")
    before = snapshot(bundle)
    (course / "lectures/source/01_number.py").rename(course / "lectures/source/02_number.py")
    assert command.main(["--to", str(bundle)]) == 0
    after = snapshot(bundle)
    assert before.keys() - after.keys() == {"lectures/01_number.ipynb"}
    assert after.keys() - before.keys() == {"lectures/02_number.ipynb"}
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"lectures/02_number.ipynb", "README.md", MANIFEST}


def test_bundle_spares_a_students_work(bundle, capsys):
    work = bundle / "labs/lab0_slope/slope.py"
    work.write_text("my = 'work'\n")
    before = snapshot(bundle)
    assert command.main(["--to", str(bundle)]) == 1
    assert f"{work} was changed" in capsys.readouterr().err
    assert snapshot(bundle) == before


def test_bundle_refuses_other_folders(course, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    for folder in (other, other / "thesis.tex", course):
        assert command.main(["--to", str(folder)]) == 1
        assert re.search("name (an empty|a) folder", capsys.readouterr().err)
    assert list(other.iterdir()) == [other / "thesis.tex"]


@pytest.mark.parametrize(
    "manifest", ["", "[]", '{"files": []}', '{"files": {"../victim.txt": "0"}}', '{"files": 3}']
)
def test_damaged_manifest_is_refused(tmp_path, manifest):
    victim = tmp_path / "victim.txt"
    victim.write_text("kept")
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / MANIFEST).write_text(manifest)
    with pytest.raises(BundleError, match="name an empty folder"):
        write_bundle({"a.txt": b"a"}, folder)
    assert victim.read_text() == "kept"


def test_an_empty_folder_will_do_and_a_failed_write_leaves_it(tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    with pytest.raises(OSError):
        write_bundle({"a": b"", "a/b": b""}, folder)
    assert list(tmp_path.rglob("*")) == [folder]
    write_bundle({"a/b": b"x"}, folder)
    assert (folder / "a/b").read_bytes() == b"x"


# ---------------------------------------------------------------- secrets


@pytest.fixture(scope="session")
def real_bundle(root) -> dict[str, bytes]:
    """The bundle of this repository, as bundle_files lets it through."""
    labs = load_labs(root)
    return bundle_files(root, derive(root, labs), labs)


def test_no_solution_is_in_the_bundle(root, real_bundle):
    """A search of its own, apart from the one that guards the verb: hidden lines, regions, names."""
    texts = []
    for name, content in real_bundle.items():
        if name.endswith(".ipynb"):
            texts += ["".join(cell["source"]) for cell in json.loads(content)["cells"]]
        else:
            texts.append(content.decode("utf-8", "replace"))
    everything = re.sub(r"\n\s*", "\n", "\n".join(texts))
    for folder in sorted((root / "solutions").glob("lab*")):
        for path in folder.rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if path.name in ("hidden_checks.py", "reference.py"):
                names = re.findall(r"^def (\w{9,})", text, re.M) + re.findall(
                    r'^[A-Z_]+ = "(.{8,})"', text, re.M
                )
                assert names
                assert not [name for name in names if re.search(rf"\b{re.escape(name)}\b", everything)]
            elif path.parent == folder:
                for region in re.findall(r"BEGIN SOLUTION\n(.*?)\n *### END SOLUTION", text, re.S):
                    assert re.sub(r"\n\s*", "\n", region).strip() not in everything


def solution_line(root: Path) -> str:
    return next(
        line.strip()
        for region in solution_regions((root / "solutions/lab1_mlp/mlp.py").read_text(encoding="utf-8"))
        for line in region.split("\n")
        if len(line.strip()) > 60 and '"' in line  # which JSON writes otherwise
    )


def plant(root: Path, bundle: dict[str, bytes], how: str) -> tuple[str, bytes]:
    """Return a file of the bundle with a leak in it."""
    solutions = root / "solutions/lab1_mlp"
    lecture = next(name for name in bundle if name.startswith("lectures/"))
    module, hidden = (
        (solutions / "mlp.py").read_text("utf-8"),
        (solutions / "hidden_checks.py").read_text("utf-8"),
    )
    if how == "one line in a module":
        name = "itemmarket/evaluation/plots.py"
        return name, bundle[name] + f"\n\t {solution_line(root)}\n".encode()
    if how in (
        "a line in a notebook's cell",
        "a line in a notebook's output",
        "a line in a notebook's metadata",
    ):
        notebook = json.loads(bundle[lecture])
        cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
        if "cell" in how.split()[-1]:
            cell["source"] += ["\n", solution_line(root)]
        elif "output" in how:
            text = ["first\n", f"  {solution_line(root)}\n"]
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text}]
        else:
            cell["metadata"]["note"] = solution_line(root)
        return lecture, json.dumps(notebook).encode()
    if how == "a line in a binary file":
        return "data/catalogue.parquet", b"PAR1\0" + solution_line(root).encode() + b"\0"
    if how == "a region of short lines":
        region = solution_regions(module)[0]
        assert max(map(len, region.split("\n"))) < 70
        return "README.md", bundle["README.md"] + region.encode()
    if how == "the notebook's answers":
        source = (solutions / "lab1_mlp.py").read_text("utf-8")
        return "README.md", solution_regions(source)[-1].encode()
    if how == "the reference module":
        return "labs/lab1_mlp/mlp.py", module.encode()
    if how == "the reference tests":
        return "labs/lab1_mlp/test_mlp.py", (solutions / "test_mlp.py").read_bytes()
    if how == "a hidden check":
        check = hidden.split("@pytest.mark.question")[4]
        return "labs/lab1_mlp/visible_checks.py", bundle["labs/lab1_mlp/visible_checks.py"] + check.encode()
    if how == "the secret's variable":
        return "course.py", VARIABLE.encode()
    assert how == "the secret's default"
    return "course.py", EXAMPLE.encode()


LEAKS = [
    "one line in a module",
    "a line in a notebook's cell",
    "a line in a notebook's output",
    "a line in a notebook's metadata",
    "a line in a binary file",
    "a region of short lines",
    "the notebook's answers",
    "the reference module",
    "the reference tests",
    "a hidden check",
    "the secret's variable",
    "the secret's default",
]


@pytest.mark.parametrize("how", LEAKS)
def test_planted_leak_is_found(root, real_bundle, how):
    labs = load_labs(root)
    name, content = plant(root, real_bundle, how)
    assert find_leaks({name: real_bundle[name]}, labs) == []
    leaks = find_leaks({name: content}, labs)
    assert leaks
    assert {path for path, _ in leaks} == {name}


def test_every_hidden_function_and_region_would_be_found(root):
    for lab in load_labs(root):
        hidden = [lab.hidden_checks.read_text("utf-8"), (lab.folder / "reference.py").read_text("utf-8")]
        pieces = [piece for text in hidden for piece in re.split(r"\n\n\n+", text)[1:]]
        for name in lab.files.python:
            pieces += solution_regions((lab.folder / name).read_text("utf-8"))
        pieces += [region for cell in lab.notebook.cells for region in solution_regions(cell.source)]
        assert len(pieces) > 20
        shown = (lab.folder / "visible_checks.py").read_text("utf-8")
        for piece in pieces:
            if piece.strip() in shown:
                continue
            assert find_leaks({"README.md": piece.encode()}, [lab]), piece


def test_a_leaking_bundle_is_not_written(course, tmp_path, capsys):
    lecture = course / "lectures/source/01_number.py"
    lecture.write_text(lecture.read_text("utf-8") + "\n\n# %%\nreturn values - values.mean()\n", "utf-8")
    assert command.main(["--to", str(tmp_path / "bundle")]) == 1
    assert "lectures/01_number.ipynb: return values - values.mean()" in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()


# ---------------------------------------------------------------- a released lab


def released_labs() -> list[str]:
    return ["lab0_slope", *sorted(path.parent.name for path in ROOT.glob("labs/*/lab.toml"))]


@pytest.fixture
def released(request, root, tmp_path, sources) -> Path:
    """A copy of a released lab, where it can be worked on."""
    name = request.param
    if name == "lab0_slope":  # its locked cell for reading ends the kernel on purpose
        notebook = sources / "solutions/lab0_slope/lab0_slope.py"
        text = notebook.read_text("utf-8").replace("raise SystemExit", "print")
        notebook.write_text(text, "utf-8")
        command.update(sources, derive(sources, load_labs(sources)))
    else:
        copy(root / "labs" / name, sources / "labs" / name)
    return sources / "labs" / name


def names_made_by(cell: str) -> set[str]:
    """Return the names that a cell assigns."""
    nodes = ast.walk(ast.parse(cell))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


@pytest.mark.parametrize("released", released_labs(), indirect=True)
def test_released_notebook_raises_not_implemented_and_nothing_else(released):
    notebook = nbformat.read(released / f"{released.name}.ipynb", as_version=4)
    client = NotebookClient(
        notebook,
        timeout=240,
        kernel_name="python3",
        resources={"metadata": {"path": str(released)}},
        allow_errors=True,
    )
    if sys.platform == "win32":
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    client.execute()
    errors = {
        cell.id: f"{output.ename}: {output.evalue}"
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "error"
    }
    undone = {cell: error for cell, error in errors.items() if error.startswith("NotImplementedError")}
    waiting = {name for cell in notebook.cells if cell.id in undone for name in names_made_by(cell.source)}
    follow = {f"NameError: name {name!r} is not defined" for name in waiting}
    assert {cell: error for cell, error in errors.items() if cell not in undone and error not in follow} == {}
    assert {question.name for question in load_lab(released).questions} <= errors.keys()


@pytest.mark.parametrize("released", released_labs(), indirect=True)
def test_released_tests_raise_not_implemented_and_nothing_else(released):
    tests = load_lab(released).files.tests
    report = released / "report.xml"
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "--noconftest",
        "--import-mode=prepend",
        f"--junitxml={report}",
    ]
    subprocess.run(
        [sys.executable, "-m", "pytest", *options, tests], cwd=released, capture_output=True, check=False
    )
    text = report.read_text("utf-8")
    tests, failures, errors = (
        int(re.search(f'{key}="(\\d+)"', text)[1]) for key in ("tests", "failures", "errors")
    )
    assert failures + errors == tests > 1
    messages = re.findall(r'<(?:failure|error) message="([^"]*)"', text)
    assert len(messages) == tests
    told = {re.match(r"(?:failed on setup with &quot;)?(\w+)", message)[1] for message in messages}
    assert told == {"NotImplementedError"}


def test_check_works_in_the_bundle(bundle):
    script = "import sys; from autograder.cli import check; sys.exit(check(sys.argv[1:]))"
    ran = subprocess.run(
        [sys.executable, "-c", script, "lab0_slope"],
        cwd=bundle,
        env=os.environ | {"PYTHONPATH": str(bundle), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    for question in load_lab(bundle / "labs/lab0_slope").questions:
        assert re.search(rf"{question.title}.*FAIL|FAIL.*{question.title}", ran.stdout), ran.stdout
    assert "OK" not in ran.stdout
    assert "NotImplementedError" in ran.stdout or "not done yet" in ran.stdout
