"""The model of random histories: `vouchers.add_codes`, `codes.retire` and `codes.list`."""

from collections.abc import Sequence
from datetime import datetime
from itertools import zip_longest

from tests.histories.code_texts import TAKEN_OVER
from tests.histories.entities import Code, Json, Voucher
from tests.histories.model import Model

LIMITS = ("maximumRedemptions", "maximumRedemptionsPerCustomer", "expiresAt", "customer")


def add_codes(model: Model, body: Json, *, ids: Sequence[str], at: datetime) -> Json:
    """Answer `vouchers.add_codes`: all codes or none."""
    key = ("add_codes", body["project"], body["requestId"])
    head = {"object": "list", "project": body["project"], "requestId": body["requestId"]}
    stored = model.replay(key, body=body, conflict=head)
    if stored is not None:
        return stored
    voucher = model.voucher(body["project"], body["voucher"])
    if voucher is None:
        return {"notFound": "voucher"}
    invalid = [
        f"codes.{index}.{field}"
        for index, code in enumerate(body["codes"])
        for field in wrong_fields(model, code, voucher=voucher, at=at)
    ]
    if invalid:
        return {"invalid": invalid}
    codes = [code_of(each, voucher=voucher, id=id_, at=at) for each, id_ in zip_longest(body["codes"], ids)]
    for code in codes:
        model.codes.add(code, at=at)
    answer = {"object": "list", "items": [each.answer() for each in codes]}
    return model.remember(key, body=body, answer=answer, at=at)


def wrong_fields(model: Model, body: Json, *, voucher: Voucher, at: datetime) -> list[str]:
    """Return the fields of a new code that are taken, or less limited than the voucher."""
    starts_at, ends_at, maximum = (
        voucher.instant("startsAt"),
        voucher.instant("expiresAt"),
        voucher.restriction("maximumRedemptions"),
    )
    expires_at = code_of(body, voucher=voucher, id=None, at=at).expires_at()
    rows = [
        ("code", not model.codes.is_free(project=voucher.body["project"], text=body["code"], at=at, by=voucher)),
        ("maximumRedemptions", maximum is not None and body.get("maximumRedemptions", 0) > maximum),
        (
            "maximumRedemptionsPerCustomer",
            body.get("maximumRedemptionsPerCustomer", 0)
            > (voucher.restriction("maximumRedemptionsPerCustomer") or 999),
        ),
        ("expiresAt", expires_at is not None and ends_at is not None and expires_at > ends_at),
        ("expiresAt", expires_at is not None and starts_at is not None and expires_at <= starts_at),
    ]
    return [field for field, is_wrong in rows if is_wrong]


def code_of(body: Json, *, voucher: Voucher, id: str | None, at: datetime) -> Code:  # noqa: A002 - the field's name
    """Return a new code."""
    limits = {name: body[name] for name in LIMITS if name in body}
    return Code(text=body["code"], voucher=voucher, created_at=at, limits=limits, is_own=False, id=id)


def retire_code(code: Code, *, at: datetime) -> Json:
    """Answer `codes.retire`. The code's own first reason stays."""
    if code.retired is None:
        code.retired = code.own_end(at) or ("manualAction", at)
    elif code.retired[0] in TAKEN_OVER:
        code.retired = "manualAction", at
    return code.answer()


def shown_codes(model: Model, voucher: Voucher, *, items: Sequence[Json]) -> list[Json]:
    """Answer `codes.list` for a voucher, newest first. Ids that are shown for the first time are learned."""
    codes = model.codes.of(voucher)[::-1]
    for code, item in zip(codes, items, strict=False):
        code.id = code.id or item["id"]
    assert len({each.id for each in model.codes.all if each.id}) == len([each for each in model.codes.all if each.id])
    return [each.answer() for each in codes]
