"""`scrip import`: what it reads, how it ends, and what a person sees."""

import json
from pathlib import Path

import pytest

from tests.command_line.running import scrip, scrip_on_terminal
from tests.exports.running import json_lines, read_report, rows
from tests.exports.stripe import EXPORT, FOREVER, ONCE, coupon

pytestmark = pytest.mark.usefixtures("database")


def test_the_table_counts_the_outcomes_of_each_kind_of_object(tmp_path: Path):
    """In the order in which they are brought over."""
    file = json_lines(tmp_path, [*EXPORT, coupon("BAD", percent_off=0)])
    done = scrip("import", "stripe", file, "--report", str(tmp_path / "report.csv"), "--apply")
    assert done.rows() == [
        ["coupon", "4", "0", "0", "1"],
        ["promotion_code", "1", "0", "0", "0"],
        ["discount", "5", "0", "0", "0"],
        ["subscription", "0", "2", "0", "0"],
    ]
    assert (done.code, "has a line about each object" in done.errors) == (5, True)


def test_the_report_names_the_file_and_the_line(tmp_path: Path):
    """No cell of it is a formula."""
    file = json_lines(tmp_path, [FOREVER, coupon("=BAD", percent_off=0)])
    scrip("import", "stripe", file, "--report", str(tmp_path / "report.csv"))
    assert [(each["file"], each["record"], each["id"]) for each in read_report(tmp_path / "report.csv")] == [
        (file, "1", "FOREVER"),
        (file, "2", "'=BAD"),
    ]


def test_standard_input_is_read(tmp_path: Path):
    """Besides files."""
    file = json_lines(tmp_path, [FOREVER])
    report = tmp_path / "report.csv"
    done = scrip("import", "stripe", "-", file, "--report", str(report), typed=json.dumps(ONCE))
    assert (done.code, [each["file"] for each in read_report(report)]) == (0, ["'-", file])


def test_a_list_that_breaks_off_imports_nothing(tmp_path: Path):
    """Whatever was before it, in this file or in another."""
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({"object": "list", "data": [ONCE, ONCE]})[:-30])
    before = rows()
    report = str(tmp_path / "report.csv")
    done = scrip("import", "stripe", json_lines(tmp_path, [FOREVER]), str(broken), "--report", report, "--apply")
    assert (done.code, rows()) == (5, before)
    assert "broken.json is no JSON at character" in done.errors


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("paddle", "{file}"), "there is no system paddle: stripe, polar, gigs, lago"),
        (("stripe", "{folder}/none.jsonl"), "none.jsonl cannot be read: No such file or directory"),
        (("stripe", "{file}", "--report", "{folder}/none/report.csv"), "report.csv cannot be written: No such file"),
    ],
)
def test_what_cannot_be_run_says_why(tmp_path: Path, words: tuple[str, ...], message: str):
    """In one line."""
    names = {"file": json_lines(tmp_path, [FOREVER]), "folder": str(tmp_path)}
    report = [] if "--report" in words else ["--report", str(tmp_path / "report.csv")]
    done = scrip("import", *(each.format(**names) for each in words), *report)
    assert done.code == 2
    assert message in done.errors


def test_a_report_does_not_replace_a_file_of_the_export(tmp_path: Path):
    """However the file is named."""
    file = Path(json_lines(tmp_path, [FOREVER]))
    link = tmp_path / "link.csv"
    link.symlink_to(file)
    before = file.read_text()
    for report in (file, link, tmp_path / "." / file.name):
        done = scrip("import", "stripe", str(file), "--report", str(report))
        assert (done.code, file.read_text()) == (2, before)
        assert "is a file of the export" in done.errors


def test_a_file_without_an_object_is_named(tmp_path: Path):
    """It may be the rest of an export that failed. An empty list is one too."""
    empty, listed = tmp_path / "empty.json", tmp_path / "listed.json"
    empty.write_text("\n")
    listed.write_text('{"object": "list", "data": []}')
    report = str(tmp_path / "report.csv")
    done = scrip("import", "stripe", str(empty), str(listed), json_lines(tmp_path, [FOREVER]), "--report", report)
    assert done.code == 0
    assert [each for each in done.errors.splitlines() if "no object" in each] == [
        f"{empty} has no objects",
        f"{listed} has no objects",
    ]


@pytest.mark.slow
def test_a_person_sees_the_progress_and_a_table(tmp_path: Path):
    """On a terminal."""
    report = str(tmp_path / "report.csv")
    code, shown = scrip_on_terminal("import", "stripe", json_lines(tmp_path, EXPORT), "--report", report)
    assert code == 0
    for text in ("reading", "trying", "objects", "imported", "promotion_code", "a dry run"):
        assert text in shown
