"""The model of random histories: simple, slow, and written from the text of the contract.

The model keeps every event, and derives every answer from the events. It cannot know ids and instants, so it takes
them from the answer of the program.
"""

from collections.abc import Iterable
from copy import deepcopy
from datetime import datetime
from typing import TYPE_CHECKING

from tests.histories.amounts import amounts_of_voucher
from tests.histories.code_texts import Codes
from tests.histories.discounting import Discount
from tests.histories.entities import Code, Credit, Entry, Json, Record, Reversal, Voucher, written
from tests.histories.hold_rules import (
    Hold,
)

if TYPE_CHECKING:
    from tests.histories.hold_rules import Hold

# The verb, the project, and the other parts of the caller's id.
Key = tuple[str, ...]


class Model:
    """Everything that has happened, and the contract's answers to the next request."""

    def __init__(self, *, now: datetime) -> None:
        # The instant of the latest event.
        self.now = now
        self.vouchers: list[Voucher] = []
        self.codes = Codes()
        self.discounts: list[Discount] = []
        # The entries of the ledger that invoices, reversals and credits added, and the ids that answers showed.
        self.entries: list[Entry] = []
        self.entry_ids: dict[Key, str | None] = {}
        self.records: list[Record] = []
        self.holds: list[Hold] = []
        # Reversals and standing credits by project and invoice, and the discounts of each reversal.
        self.reversals: dict[tuple[str, str], list[Reversal]] = {}
        # By project, invoice and line: the rests of the line and of its discount when a credit was last taken back.
        self.anew: dict[tuple[str, str, str], tuple[int, int]] = {}
        self.reversed_discounts: list[tuple[Discount, Reversal]] = []
        # Every credit line, in the order of application.
        self.credits: list[Credit] = []
        # Each first body with its answer, by the caller's id.
        self.answered: dict[Key, tuple[Json, Json]] = {}

    def move_on(self, at: datetime) -> None:
        """Note the instant of a new event, which is never before the last event."""
        assert self.now <= at
        self.now = at

    def replay(self, key: Key, *, body: Json, conflict: Json) -> Json | None:
        """Return the first answer to a used id, or a conflict if the body differs, or None for a new id."""
        if key not in self.answered:
            return None
        first, answer = self.answered[key]
        return (
            answer
            if unsigned(first) == unsigned(body)
            else {**conflict, "outcome": "refused", "reason": "idempotency_conflict"}
        )

    def remember(self, key: Key, *, body: Json, answer: Json, at: datetime) -> Json:
        """Keep a first answer for replays, and return the answer."""
        self.move_on(at)
        self.answered[key] = body, answer
        return answer

    def create(self, body: Json, *, id: str | None, at: datetime) -> Json:  # noqa: A002 - the field's name
        """Answer `vouchers.create`."""
        key = ("create", body["project"], body["requestId"])
        head = {"object": "voucher", "project": body["project"], "requestId": body["requestId"]}
        stored = self.replay(key, body=body, conflict=head)
        if stored is not None:
            return stored
        text = body.get("code")
        if text is not None and not self.codes.is_free(project=body["project"], text=text, at=at):
            return {"invalid": ["code"]}
        assert id is not None
        assert id not in [each.id for each in self.vouchers]
        voucher = Voucher(body=deepcopy(body), id=id, created_at=at)
        self.vouchers.append(voucher)
        if text is not None:
            self.codes.add(Code(text=text, voucher=voucher, created_at=at, id=f"voc_{id.removeprefix('vou_')}"), at=at)
        return self.remember(key, body=body, answer=self.shown(voucher), at=at)

    def voucher(self, project: str, id: str) -> Voucher | None:  # noqa: A002 - the field's name
        """Return a project's voucher, or None."""
        return next((each for each in self.vouchers if (each.body["project"], each.id) == (project, id)), None)

    def named(self, body: Json) -> tuple[Voucher | None, Code | None]:
        """Return the voucher of a redemption, and the code if the request has a code."""
        if "voucher" in body:
            return self.voucher(body["project"], body["voucher"]), None
        code = self.codes.named(project=body["project"], text=body["code"])
        return (code.voucher, code) if code else (None, None)

    def retire(self, body: Json, *, at: datetime) -> Json:
        """Answer `vouchers.retire`. The first reason stays."""
        voucher = self.voucher(body["project"], body["voucher"])
        if voucher is None:
            return {"notFound": "voucher"}
        if voucher.retired is None and voucher.has_expired(at):
            voucher.expire()
        if voucher.retired is None:
            voucher.retired = "manualAction", at
            self.move_on(at)
        return self.shown(voucher)

    def shown(self, voucher: Voucher) -> Json:
        """Return a voucher as callers see it."""
        amounts = amounts_of_voucher(voucher, entries=self.entries)
        return {**voucher.answer(), **amounts}

    def granted_to(self, body: Json) -> list[Discount]:
        """Return the discounts of a body's subscription, in the order redeemed."""
        place = (body["project"], body["subscription"])
        granted = [each for each in self.discounts if (each.project, each.subscription) == place]
        return sorted(granted, key=lambda each: each.created_at)

    def running_on(self, body: Json, *, at: datetime) -> list[Discount]:
        """Return the running discounts of a body's subscription. A sweep makes no difference."""
        return [each for each in self.granted_to(body) if each.runs_by(at.date())]

    def entry_id(self, *key: str, shown: str | None) -> str | None:
        """Return the id of an entry of the ledger: the first that an answer showed, if no other entry has it."""
        if key not in self.entry_ids and shown in self.entry_ids.values():
            return None
        return self.entry_ids.setdefault(key, shown)

    def latest_reversal(self, body: Json) -> Json | None:
        """Return the latest reversal of an invoice as callers see it, or None."""
        reversals = self.reversals.get((body["project"], body["invoice"]), [])
        return {"kind": reversals[-1].kind, "at": written(reversals[-1].at)} if reversals else None

    def sweep(self, *, at: datetime) -> Json:
        """Answer `expiry.sweep`. No later decision or discount depends on a sweep."""
        expired = [each for each in self.vouchers if each.retired is None and each.has_expired(at)]
        for voucher in expired:
            voucher.expire()
        codes_expired = [each for each in self.codes.all if each.retired is None and each.own_end(at)]
        for code in codes_expired:
            code.retired = code.own_end(at)
        lapsed = [each for each in self.holds if each.status == "open" and each.has_lapsed(at)]
        for hold in lapsed:
            hold.status = "lapsed"
        return {
            "object": "sweep",
            "expired": len(expired),
            "maxRedemptionsReached": 0,
            "completed": self.complete(self.discounts, at=at),
            "codesExpired": len(codes_expired),
            "codesMaxRedemptionsReached": 0,
            "holdsLapsed": len(lapsed),
        }

    @staticmethod
    def complete(discounts: Iterable[Discount], *, at: datetime) -> int:
        """Complete the discounts that are over, and return their number."""
        due = [each for each in discounts if not each.is_completed and each.is_over_by(at.date())]
        for each in due:
            each.is_completed = each.has_completed_at = each.has_updated_at = True
        return len(due)


def unsigned(body: Json) -> Json:
    """Return a request without the actor, who does not change what is asked for."""
    return {name: each for name, each in body.items() if name != "actor"}
