"""The ZIPs of learning platforms become SUBMITTED/STUDENT/LAB/, whatever is in them."""

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder import cli
from autograder.intake import lms_zip
from autograder.intake.lms_zip import CollectError
from autograder.intake.submission import find_submissions, read_submission
from tests.labs.handing_in import FOLDER, hand_in, slope_lab

LAB = FOLDER.name
NOTEBOOK = f"{LAB}.ipynb"


@pytest.fixture(scope="module")
def lab():
    return slope_lab()


def make_zip(path: Path, members: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def gather(
    lab, tmp_path: Path, members: dict[str, bytes | str], **options
) -> tuple[dict[str, str], list[str]]:
    """Collect a ZIP of these members; return text by path and what was told."""
    return read(lab, tmp_path, make_zip(tmp_path / "in.zip", members), **options)


def read(lab, tmp_path: Path, archive: Path, **options) -> tuple[dict[str, str], list[str]]:
    told: list[str] = []
    into = lms_zip.collect(archive, lab, tmp_path / "in", tell=told.append, **options)
    assert into == tmp_path / "in"
    texts = {
        path.relative_to(into).as_posix(): path.read_bytes().decode()
        for path in into.rglob("*")
        if path.is_file()
    }
    return texts, told


def test_canvas_names(lab, tmp_path):
    texts, told = gather(
        lab,
        tmp_path,
        {
            f"lovelaceada_101_9001_{NOTEBOOK}": "n",
            "lovelaceada_101_9002_slope.py": "first",
            "lovelaceada_101_9003_slope-1.py": "second",
            "lovelaceada_101_9010_slope-10.py": "tenth",
            "lovelaceada_101_9004_test_slope-2.py": "t",
            "boolegeorge_LATE_102_9005_slope.py": "late",
        },
    )
    assert texts == {
        f"lovelaceada_101/{LAB}/{NOTEBOOK}": "n",
        f"lovelaceada_101/{LAB}/slope.py": "tenth",
        f"lovelaceada_101/{LAB}/test_slope.py": "t",
        f"boolegeorge_102/{LAB}/slope.py": "late",
    }
    assert len(told) == 3
    assert "handed in again as 'lovelaceada_101_9003_slope-1.py', which counts" in told[0]
    assert told[2].startswith("boolegeorge_102 handed in late")


@pytest.mark.parametrize(
    "place", ["_assignsubmission_file_/", "_assignsubmission_file/", "_assignsubmission_file_"]
)
def test_moodle_names(lab, tmp_path, place):
    texts, told = gather(
        lab,
        tmp_path,
        {
            f"Ada Lovelace_77{place}{NOTEBOOK}": "n",
            f"Ada Lovelace_77{place}slope.py": "s",
            f"Žofie Nováková-Ó Dálaigh_78{place}slope.py": "z",
            "Ada Lovelace_77_assignsubmission_onlinetext_/onlinetext.html": "<p>",
        },
    )
    assert texts == {
        f"Ada Lovelace_77/{LAB}/{NOTEBOOK}": "n",
        f"Ada Lovelace_77/{LAB}/slope.py": "s",
        f"Žofie Nováková-Ó Dálaigh_78/{LAB}/slope.py": "z",
    }
    assert told == [
        "'Ada Lovelace_77_assignsubmission_onlinetext_/onlinetext.html' is no kind of file that is graded: "
        "it was left out."
    ]


def test_nbgraders_own_layout_and_time(lab, tmp_path):
    texts, told = gather(
        lab,
        tmp_path,
        {
            f"class/ada/{LAB}/slope.py": "s",
            f"class/ada/{LAB}/timestamp.txt": "2026-03-01 12:00:00 UTC\n",
            f"class/ada/{LAB}/artefact/{LAB}/model.safetensors": "w",
            f"class/ada/{LAB}/artefact/manifest": "m",
            "__MACOSX/class/ada/._slope.py": "x",
        },
    )
    assert texts == {
        f"ada/{LAB}/slope.py": "s",
        f"ada/{LAB}/timestamp.txt": "2026-03-01 12:00:00 UTC",
        f"ada/{LAB}/artefact/{LAB}/model.safetensors": "w",
        f"ada/{LAB}/artefact/manifest": "m",
    }
    assert told == []


def test_a_pattern_of_ones_own_the_newer_file_counts(lab, tmp_path):
    pattern = r"(?P<timestamp>[\d-]+T\d+)_(?P<student_id>\w+)_(?P<file_id>slope\.py)"
    texts, told = gather(
        lab,
        tmp_path,
        {
            "2026-03-02T10_ada_slope.py": "new",
            "2026-03-01T10_ada_slope.py": "old",
            "2026-13-41T99_bob_slope.py": "bob",
        },
        pattern=pattern,
    )
    assert texts == {
        f"ada/{LAB}/slope.py": "new",
        f"ada/{LAB}/timestamp.txt": "2026-03-02 10:00:00",
        f"bob/{LAB}/slope.py": "bob",
    }
    assert "which is newer" in told[0] and "is no time" in told[1]
    with pytest.raises(CollectError, match="no regular expression"):
        gather(lab, tmp_path, {"a": ""}, pattern="(")


def test_a_students_own_zip_is_unpacked(lab, tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr(f"my work/{NOTEBOOK}", "n")
        archive.writestr("my work/SLOPE.py", "s")
        archive.writestr("my work/artefact/weights.bin", "w")
        archive.writestr("my work/notes.docx", "?")
        archive.writestr("../../evil.py", "x")
        archive.writestr("my work/helper.py", "h")
    members = {"lovelaceada_101_9001_work.zip": inner.getvalue(), "boole_102_9002_work.zip": b"PK no zip"}
    texts, told = gather(lab, tmp_path, members)
    assert texts == {
        f"lovelaceada_101/{LAB}/{NOTEBOOK}": "n",
        f"lovelaceada_101/{LAB}/slope.py": "s",
        f"lovelaceada_101/{LAB}/artefact/weights.bin": "w",
        f"lovelaceada_101/{LAB}/helper.py": "h",
    }
    assert len(told) == 3
    assert "notes.docx' is no kind" in told[0] and "leads out" in told[1] and "cannot be unpacked" in told[2]


HOSTILE = {
    "up": ("../ada_1_2_slope.py", b"", "leads out of the archive"),
    "backslashes": ("..\\ada_1_2_slope.py", b"", "leads out of the archive"),
    "absolute": ("/ada_1_2_slope.py", b"", "leads out of the archive"),
    "drive": ("C:/ada_1_2_slope.py", b"", "leads out of the archive"),
    "control": ("ada_1_2_slope\n.py", b"", "control characters"),
    "bomb": ("ada_1_2_slope.py", bytes(5 * 2**20), "as ZIP bombs do"),
    "large": (f"ada_1_2_{NOTEBOOK}", bytes(51 * 2**20), "and at most 52,428,800 are read"),
    "nobody's": ("slope.py", b"", "does not say whose it is"),
    "nameless": ("ada_1_2_...", b"", "is no kind of file"),
    "all dots": ("ada_1_2_....py", b"", "is no kind of file"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_wrong_with_one_file_costs_that_file_only(lab, tmp_path, case):
    name, content, why = HOSTILE[case]
    texts, told = gather(lab, tmp_path, {name: content, "bob_3_4_slope.py": "b"})
    assert texts == {f"bob_3/{LAB}/slope.py": "b"}
    (sentence,) = told
    assert why in sentence and sentence.endswith("it was left out.") and "\n" not in sentence
    assert {path.name for path in tmp_path.iterdir()} == {"in", "in.zip"}


def test_links_encrypted_and_damaged_members(lab, tmp_path):
    link = zipfile.ZipInfo("ada_1_2_slope.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("eve_5_6_slope.py", "damaged")
        archive.writestr("kim_7_8_slope.py", "secret")
        archive.writestr("bob_3_4_slope.py", "b")
    content = path.read_bytes().replace(b"damaged", b"DAMAGED")
    at = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4) + 4)
    path.write_bytes(content[: at + 8] + b"\x01" + content[at + 9 :])  # the third member's flags: encrypted
    texts, told = read(lab, tmp_path, path)
    assert texts == {f"bob_3/{LAB}/slope.py": "b"}
    assert [why for why in ("a link", "encrypted", "Bad CRC-32") if any(why in line for line in told)] == [
        "a link",
        "encrypted",
        "Bad CRC-32",
    ]


def test_duplicates_and_case(lab, tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = tmp_path / "in.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in (
                (f"ada/{LAB}/slope.py", "first"),
                (f"ada/{LAB}/slope.py", "second"),
                (f"ada/{LAB}/Slope.PY", "third"),
                (f"ADA/{LAB}/helper.py", "h"),
            ):
                archive.writestr(name, text)
    texts, told = read(lab, tmp_path, path)
    assert texts == {f"ada/{LAB}/slope.py": "first", f"ada/{LAB}/helper.py": "h"}
    assert sum("has the same name" in line for line in told) == 2
    assert any("differ in case only" in line for line in told)


def test_a_name_in_utf8_that_does_not_say_so(lab, tmp_path):
    gather(lab, tmp_path, {"xxxx_1_2_slope.py": "s"})
    path = tmp_path / "in.zip"
    path.write_bytes(path.read_bytes().replace(b"xxxx", "жу".encode()))
    assert list(read(lab, tmp_path, path)[0]) == [f"жу_1/{LAB}/slope.py"]


def test_one_student_cannot_use_up_the_room_of_others(lab, tmp_path, monkeypatch):
    monkeypatch.setattr(lms_zip, "MAX_ARTEFACT", 50)
    monkeypatch.setattr(lms_zip, "MAX_FILES", 3)
    members = {f"ada/{LAB}/part{i}.py": "x" * 40 for i in range(9)}
    texts, told = gather(lab, tmp_path, members | {f"bob/{LAB}/slope.py": "b"})
    assert sorted(texts) == [f"ada/{LAB}/part0.py", f"ada/{LAB}/part1.py", f"bob/{LAB}/slope.py"]
    assert len(told) == 7 and all("submission of ada larger than 100 bytes" in line for line in told)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"no zip at all", "cannot be read as a ZIP"),
        (None, "cannot be read as a ZIP"),
        ({}, "holds no submission"),
    ],
)
def test_what_cannot_be_collected_is_one_clear_sentence(lab, tmp_path, content, why):
    path = tmp_path / "in.zip"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        make_zip(path, {"readme.txt": ""})
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "kept").write_text("")
    with pytest.raises(CollectError, match=why):
        lms_zip.collect(path, lab, tmp_path / "in", tell=lambda sentence: None)
    assert (tmp_path / "in" / "kept").exists()  # an earlier collection is replaced only by a whole one


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(st.text(min_size=1, max_size=30).filter(lambda t: "\0" not in t), max_size=4, unique=True)
)
def test_no_name_leads_out_or_stops_the_others(lab, tmp_path_factory, names):
    tmp_path = tmp_path_factory.mktemp("any")
    members = {f"{name.encode('utf-8', 'replace').decode()}_1_2_slope.py": "x" for name in names}
    texts, _ = gather(lab, tmp_path, members | {"bob_3_4_slope.py": "b"})
    assert texts[f"bob_3/{LAB}/slope.py"] == "b"
    assert {path.name for path in tmp_path.iterdir()} == {"in", "in.zip"}
    assert all(path.count("/") == 2 for path in texts)


def test_a_class_is_graded_from_a_zip(tmp_path, capsys):
    folder = hand_in(tmp_path / "x", "ada")
    path = tmp_path / "submissions.zip"
    make_zip(
        path,
        {f"lovelaceada_101_{i}_{f.name}": f.read_bytes() for i, f in enumerate(sorted(folder.iterdir()))},
    )
    arguments = [str(FOLDER) + os.sep, str(path), "--out", str(tmp_path / "out"), "--isolation", "off"]
    assert cli.grade(arguments) == 0
    assert "lovelaceada_101" in capsys.readouterr().out
    assert "lovelaceada_101" in (tmp_path / "out" / "grades.csv").read_text(encoding="utf-8")


def test_what_is_collected_can_be_read(lab, tmp_path):
    folder = hand_in(tmp_path / "x", "ada")
    gather(lab, tmp_path, {f"lovelaceada_101_1_{f.name}": f.read_bytes() for f in folder.iterdir()})
    ((student, found),) = find_submissions(tmp_path / "in", LAB).items()
    submission = read_submission(lab, student, found)
    assert set(submission.own) == set(lab.files) and not submission.notes
