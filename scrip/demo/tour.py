"""The demo's tour of the catalogue: codes, a stamp card and usages, a balance, and a hold with reversals."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from rich.table import Table

from scrip.demo.checks import Check, matches, outcome
from scrip.demo.client import REDEEM, Client, Exchange, Json, messages
from scrip.demo.tables import mark, table

STAMP_CARD = "stampCard"
CHAPTERS = {
    "codes": "Codes, step by step",
    STAMP_CARD: "A stamp card, receipt by receipt",
    "balance": "A balance, invoice by invoice",
    "hold": "A hold, previews and reversals, step by step",
    "changes": "A seat and an upgrade in the middle of a month, step by step",
}
PROJECT = "acme"
GENERATED_USED = 200


class Tour:
    """Sends the tour's steps in order and keeps the answers, by chapter."""

    def __init__(self, client: Client, chapters: Json) -> None:
        self._client = client
        self._chapters = chapters
        self._ids: dict[str, str] = {}
        self.exchanges: dict[str, list[Exchange]] = {}

    def run(self) -> None:
        """Run all chapters."""
        for chapter, steps in self._chapters.items():
            self.exchanges[chapter] = [Exchange(step, self._ask(step)) for step in steps]

    def use_generated_codes(self) -> Check:
        """Let two customers send each of 200 generated codes, and check that a single customer gets each code."""
        voucher = {"project": PROJECT, "voucher": self._ids["Newsletter"]}
        listed = self._client.ask("codes.list", {**voucher, "limit": GENERATED_USED})
        lines = [{"request": request} for code in listed["items"] for request in _twice(code["code"])]
        answers = self._client.ask_all("single-use codes, each sent twice", messages(lines, REDEEM))
        found = Counter(outcome(each.answer) for each in answers)
        wanted = Counter(accepted=GENERATED_USED, code_max_redemptions_reached=GENERATED_USED)
        return Check(
            title="single-use codes sent twice, had once",
            expected=GENERATED_USED,
            found=found["accepted"],
            deviations=[] if found == wanted else [str(dict(found))],
        )

    def _ask(self, step: Json) -> Json:
        request = {name: self._real(value) for name, value in step["request"].items()}
        answer = self._client.ask(step["task"], request)
        if answer.get("object") == "voucher":
            self._ids[answer["name"]] = answer["id"]
        return answer

    def _real(self, value: Any) -> Any:
        named = re.fullmatch(r"\(id of (.+)\)", value) if isinstance(value, str) else None
        return self._ids[named[1]] if named else value


def _twice(code: str) -> Iterator[Json]:
    for customer in (f"cus_{code}_first", f"cus_{code}_second"):
        request_id, subscription = f"tour-{customer}", f"sub_{customer}"
        yield {
            "project": PROJECT,
            "requestId": request_id,
            "code": code,
            "customer": customer,
            "subscription": subscription,
        }


def step_checks(exchanges: dict[str, list[Exchange]]) -> list[Check]:
    """Compare each step's answer with the expected answer."""
    return [
        Check(
            title=f"{CHAPTERS[chapter]}: {each.line['what']}",
            expected=1,
            found=int(matches(each.line["answer"], each.answer)),
            deviations=[] if matches(each.line["answer"], each.answer) else [str(each.answer)],
        )
        for chapter, steps in exchanges.items()
        for each in steps
    ]


def chapter_tables(exchanges: dict[str, list[Exchange]]) -> Iterator[Table]:
    """Yield a table for each chapter, and a table with the usage of the customer with the stamp card."""
    for chapter, steps in exchanges.items():
        yield chapter_table(chapter, steps)
        if chapter == STAMP_CARD:
            yield usage_table(steps)


def chapter_table(chapter: str, exchanges: list[Exchange]) -> Table:
    """Return a table with a row for each step: the expected fields with their answers, and whether they match."""
    made = table(CHAPTERS[chapter], "step", "task", "answered", "")
    for step, answer in exchanges:
        holds = matches(step["answer"], answer)
        made.add_row(step["what"], step["task"], _shown(step["answer"], answer), mark(holds=holds))
    return made


def usage_table(exchanges: list[Exchange]) -> Table:
    """Return a table of all usages of a voucher by a customer: a row for each entry, then the sums."""
    (usage,) = exchanges[-1].answer["items"]
    made = table(f"Usage of {usage['customerId']}", "ref", "type", ">usage", ">stamp", ">amount", ">open card")
    for entry in usage["usageRefs"]:
        made.add_row(entry["ref"], entry["refType"], *(str(entry[name]) for name in ("usage", "stamp", "amount")), "")
    sums = usage["statistics"]
    made.add_section()
    amounts = ", ".join(f"{amount} {currency}" for currency, amount in sums["amounts"].items())
    made.add_row("statistics", "", str(sums["usage"]), str(sums["stamp"]), amounts, str(sums["currentStamp"]))
    return made


def _shown(expected: Any, answer: Any) -> str:
    if isinstance(expected, dict) and isinstance(answer, dict):
        fields = ((name, _shown(value, answer.get(name))) for name, value in expected.items())
        return ", ".join(
            each if name in {"items", "statistics", "discounts", "lines"} else f"{name} {each}" for name, each in fields
        )
    if isinstance(expected, list) and isinstance(answer, list):
        return "; ".join(_shown(*pair) for pair in zip(expected, answer, strict=False))
    return str(answer)
