"""The commands of the guide try and import an export, as they stand."""

import shlex
from pathlib import Path

import pytest

from tests.command_line.running import scrip
from tests.documents.blocks import blocks
from tests.exports.running import document, read_report, rows
from tests.exports.stripe import CODES, COUPONS, OUTCOMES, SUBSCRIPTIONS


@pytest.mark.usefixtures("database")
def test_the_commands_of_the_guide_try_and_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In the folder of the files, where the report is written."""
    monkeypatch.chdir(tmp_path)
    for name, data in (("coupons", COUPONS), ("promotion_codes", CODES), ("subscriptions", SUBSCRIPTIONS)):
        document(tmp_path, {"object": "list", "has_more": False, "data": data}, name=f"{name}.json")
    (commands,) = blocks("docs/how-to/import.md", "sh")
    trying, importing = (shlex.split(line)[1:] for line in commands.splitlines())
    before = rows()
    assert (scrip(*trying).code, rows()) == (0, before)
    assert scrip(*importing).code == 0
    lines = read_report(Path("scrip-import.csv"))
    assert [(each["object"], each["id"], each["outcome"]) for each in lines] == OUTCOMES
    assert rows() != before
