"""The report of a class: its figures are right, its evidence is there, and everybody can read it."""

import csv
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from autograder.judging.verdict import Evidence, QuestionResult, Verdict
from autograder.results.evidence import WORDS, observed
from autograder.results.grades_csv import grade_row, with_similarity, write_grades
from autograder.results.report import distribution, item_rest_correlation, question_figures, write_report
from autograder.results.similarity import Group
from labkit.own_tests import Mutation, OwnTests
from tests.labs.handing_in import slope_lab
from tests.pages import DESK, PHONE, chromium, look, overflow

LAB = slope_lab()
GROUP = Group(
    ("ada", "bob & co"),
    {("ada", "bob & co"): 0.93},
    {"ada": "93 % of the code is also in bob & co's", "bob & co": "93 % of the code is also in ada's"},
    frozenset(),
)
NAMES = [
    "ada",
    "bob & co",
    "<i>eve</i>",
    "Žofie Nováková",
    "a-very-long-name-without-any-break-" * 3,
    "fay",
    "gil",
]


def verdict(student: str, *scores: float, **more) -> Verdict:
    results = [QuestionResult(question, score) for question, score in zip(LAB.questions, scores, strict=True)]
    return Verdict(student, LAB.name, more.pop("status", "graded"), results, **more)


def a_class() -> list[Verdict]:
    scores = [
        (4, 4, 2, 2),
        (4, 4, 2, 0),
        (3, 2, 2, 1),
        (2, 4, 0, 1),
        (1, 0, 2, 0),
        (0, 0, 2, 0),
        (4, 3, 2, 2),
    ]
    verdicts = [
        verdict(name, *row, seconds=5.0 + i, isolation="full")
        for i, (name, row) in enumerate(zip(NAMES, scores, strict=True))
    ]
    verdicts[2] = replace(
        verdicts[2],
        flags=["escape-attempt"],
        evidence=[
            Evidence("escape-attempt", "opened '/etc/<passwd>'"),
            Evidence("time-out", "fit: no answer within 2 s"),
            Evidence("output-cut", "9,000 bytes were printed; the first 20 were kept."),
        ],
        notes=[
            "In the notebook, cell 3 raised ValueError: 9,000 bytes were printed."
        ],  # the student's own words
    )
    mutation = Mutation(3, 1, ["test_line"], 12, 12, 9, ["forgot the intercept"], 0.8)
    verdicts[0] = replace(verdicts[0], own_tests=OwnTests(2, 2, 1.0, 0.8, {}, 0, mutation))
    return [*verdicts, verdict("nil", 0, 0, 0, 0, status="missing")]


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("class")
    verdicts = a_class()
    rows = [with_similarity(grade_row(v, v.score, []), [GROUP]) for v in verdicts]
    write_report(folder / "report.html", LAB, verdicts, rows, [GROUP])
    write_grades(folder / "grades.csv", LAB.name, rows)
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


# ---------------------------------------------------------------- figures


def test_item_rest_correlation_is_pearsons():
    scores, rest = [0.0, 1.0, 2.0, 2.0, 4.0], [1.0, 0.0, 3.0, 2.0, 6.0]
    assert item_rest_correlation(scores, rest) == pytest.approx(np.corrcoef(scores, rest)[0, 1])


@pytest.mark.parametrize(
    ("scores", "rest"),
    [([], []), ([0.0, 1.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0]), ([1.0] * 6, [1.0, 2, 3, 4, 5, 6])],
    ids=["nobody", "too few", "no variance"],
)
def test_it_is_undefined_where_nothing_can_be_said(scores, rest):
    assert item_rest_correlation(scores, rest) is None


def test_rounding_of_sums_is_no_variance():
    assert item_rest_correlation([0.0, 1, 2, 3, 4], [0.3, 0.1 + 0.2, 0.3, 0.3, 0.3]) is None


@given(st.lists(st.tuples(*[st.integers(0, int(q.points)) for q in LAB.questions]), min_size=5, max_size=30))
def test_figures_of_any_class(table):
    figures = question_figures(LAB, [verdict(f"s{i}", *row) for i, row in enumerate(table)])
    for index, (question, found) in enumerate(zip(LAB.questions, figures, strict=True)):
        column = [row[index] for row in table]
        rest = [sum(row) - row[index] for row in table]
        assert found.mean == pytest.approx(statistics.mean(column) / question.points)
        assert found.full == pytest.approx(sum(x == question.points for x in column) / len(column))
        if len(set(column)) > 1 and len(set(rest)) > 1:
            assert found.discrimination == pytest.approx(np.corrcoef(column, rest)[0, 1], abs=1e-9)
        else:
            assert found.discrimination is None
            assert found.in_words.startswith("nothing can be said")


@given(st.lists(st.floats(0, 12)))
def test_every_score_is_in_one_bar(scores):
    assert sum(count for _, count, _ in distribution(scores, 12)) == len(scores)


# ---------------------------------------------------------------- evidence


def test_what_is_observed_of_a_submission():
    found = observed(a_class()[2], [GROUP])
    assert [item.flag for item in found] == ["escape-attempt", "time-out", "output-cut"]
    assert observed(a_class()[0], [GROUP])[-1] == Evidence("similar-code", GROUP.facts["ada"])
    assert all(item.flag in WORDS for item in found)


def test_flags_are_in_the_table_once(page):
    with page.with_name("grades.csv").open(encoding="utf-8", newline="") as file:
        flags = {row["student"]: row["flags"] for row in csv.DictReader(file)}
    assert flags["<i>eve</i>"] == "escape-attempt time-out output-cut"
    assert (flags["ada"], flags["fay"]) == ("similar-code", "")
    identical = replace(GROUP, identical=frozenset(["ada"]))
    row = dict.fromkeys(("student", "flags"), "ada")
    assert with_similarity(row, [identical])["flags"] == "ada identical-code"


def test_the_page_needs_nothing_else_and_escapes(page):
    text = page.read_text(encoding="utf-8")
    assert "://" not in text and "<i>eve" not in text and "/etc/<passwd" not in text
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert 'href="feedback/bob%20%26%20co/lab0_slope.html"' in text


# ---------------------------------------------------------------- in a browser


@pytest.mark.machine
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_everybody_can_read_it(page, browser, width):
    assert look(browser, page, width) == []
    assert overflow(browser) <= 0
    text = browser.find_element(By.TAG_NAME, "body").text
    for words in (
        "7 of 8 students handed in",
        "Reached beyond its folder",
        "opened '/etc/<passwd>'",
        "bob & co (the closest two share 93 %)",
        "9 of 12 bugs, coverage 100 %",
        "refused 1 of 3 correct solutions",
        "Isolation “full” for 7 submissions",
        "tells strong from weak work very well",
    ):
        assert words in text, words
    order = [heading.text for heading in browser.find_elements(By.TAG_NAME, "h2")]
    assert order[:3] == ["Scores", "Questions", "Slowest submissions"] and order[-1] == "Students"


@pytest.mark.machine
def test_the_table_is_sorted_by_keyboard(page, browser):
    look(browser, page, DESK)

    def column(index: int) -> list[str]:
        return [
            cell.text
            for cell in browser.find_elements(By.CSS_SELECTOR, f"#grades tbody tr > :nth-child({index})")
        ]

    assert column(1) == sorted(column(1))
    score = browser.find_elements(By.CSS_SELECTOR, "#grades thead button")[1]
    score.send_keys(Keys.ENTER)
    scores = [float(cell.partition(" ")[0]) for cell in column(2)]
    assert scores == sorted(scores) and column(1) != sorted(column(1))
    score.send_keys(Keys.SPACE)
    assert [float(cell.partition(" ")[0]) for cell in column(2)] == scores[::-1]
    heading = browser.find_elements(By.CSS_SELECTOR, "#grades thead th")[1]
    assert heading.get_attribute("aria-sort") == "descending"


@pytest.mark.machine
def test_it_works_without_scripts(page, browser, tmp_path):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(page.as_uri())
        headings = browser.find_elements(By.CSS_SELECTOR, "#grades thead th")
        assert [heading.text for heading in headings] == ["Student", "Score", "Status", "Seconds", "Flags"]
        assert not browser.find_elements(By.TAG_NAME, "button")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.machine
def test_a_class_of_nobody_has_a_page_too(browser, tmp_path):
    nil = verdict("nil", 0, 0, 0, 0, status="missing")
    write_report(tmp_path / "report.html", LAB, [nil], [grade_row(nil, 0.0, [])])
    assert look(browser, tmp_path / "report.html", PHONE) == []
    text = browser.find_element(By.TAG_NAME, "body").text
    assert "0 of 1 students handed in" in text and "nothing can be said" in text


@pytest.mark.machine
def test_isolation_that_is_off_is_said_aloud(browser, tmp_path):
    ada = verdict("ada", 4, 4, 2, 2)
    write_report(tmp_path / "report.html", LAB, [ada], [grade_row(ada, 12.0, [])])
    assert look(browser, tmp_path / "report.html", DESK) == []
    assert "ran with your rights" in browser.find_element(By.TAG_NAME, "body").text
