"""docs/support.md: its requests are answered, and its tables have every word that an answer may have."""

import json
import re

import pytest

from domain.explanation import Absence, Finding, Standing
from domain.invoice import Skip
from tests.documents.blocks import CHECKOUT, blocks
from tests.support.requests import apply, create_voucher, redeem
from tests.support.tasks import task_named

PAGE = "docs/support.md"


@pytest.mark.usefixtures("database")
def test_every_request_of_the_page_is_answered():
    """About a customer whose discount has reduced an invoice."""
    create_voucher(project="acme", code="SUMMER")
    redeem(project="acme", code="SUMMER", customer="cus_1", subscription="sub_1", startsOn="2027-01-01")
    apply(project="acme", invoice="inv_1")
    requests = [json.loads(each) for each in blocks(PAGE, "json")]
    findings = [task_named("support.explain")(request=each)["finding"] for each in requests]
    assert findings == ["taken", "taken", "granted", "granted", "granted", "taken", "granted"]


def test_the_tables_of_the_page_have_every_reason():
    """Of an invoice: the findings that ask for something, and each reason why a discount took nothing."""
    text = (CHECKOUT / PAGE).read_text(encoding="utf-8")
    (findings, reasons) = re.findall(r"^\| `(?:finding|onInvoice.reason)` .*?\n\n", text, re.MULTILINE | re.DOTALL)
    assert words(findings) == {each.value for each in Finding} - {Finding.TAKEN, Finding.GRANTED}
    assert words(reasons) == {each.value for each in (*Absence, *Skip)}


def test_the_contract_has_every_word_of_an_explanation():
    """Findings, reasons and standings."""
    text = (CHECKOUT / "docs/contract.md").read_text(encoding="utf-8")
    section = text.split("### `support.explain`")[1]
    listed = set(re.findall(r"`([a-z_]+)`", section))
    assert {each.value for each in (*Finding, *Absence, *Standing)} <= listed


def words(table: str) -> set[str]:
    """Return the words in the first column of a table, without its head."""
    cells = [row.split("|")[1] for row in table.splitlines()[2:] if row]
    return {each for cell in cells for each in re.findall(r"`([a-z_]+)`", cell)}
