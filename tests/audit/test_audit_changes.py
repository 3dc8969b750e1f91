"""The audit of changes: it finds what the audit of everything finds, by the subjects with new rows."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from models.base import read_clock
from tasks.audit import changes
from tasks.audit.audit import CHECKS, Violation, audit
from tasks.audit.changed_vouchers import CODES, HISTORIES, VOUCHERS
from tasks.audit.changes import SUBJECTS, audit_changes, divided
from tasks.audit.pace import Pace
from tasks.audit.subject import Subject, set_plans
from tests.audit.scheduled import audit_latest
from tests.support.changes import move
from tests.support.credits import credit
from tests.support.endings import end
from tests.support.holds import confirm, reserve
from tests.support.requests import add_codes, apply, create_voucher, record, redeem, redemption
from tests.support.reversals import refund, reverse
from tests.support.statements import analyze, explained
from tests.support.tampering import tamper
from tests.support.tasks import task_named
from worker.database import transaction

# For each of ten subjects that had ordinary traffic, a promise and a change that breaks it.
PLANTED = {
    "redemptions are counted and numbered without a gap": """
        UPDATE vouchers SET redemptions = redemptions + 1 WHERE name = 'Counted'
    """,
    "a voucher's open holds are counted": "UPDATE vouchers SET held = held + 1 WHERE name = 'Held'",
    "a code's redemptions are counted": "UPDATE codes SET redemptions = redemptions + 1 WHERE code = 'CODED'",
    "no customer exceeds a voucher's limit": """
        UPDATE redemptions SET customer = 'cus_once' WHERE customer = 'cus_more';
        UPDATE discounts SET customer = 'cus_once' WHERE customer = 'cus_more'
    """,
    "accepted redemptions and no others have a discount": "DELETE FROM discounts WHERE customer = 'cus_lost'",
    "what a voucher has given is what the ledger says": """
        UPDATE given_amounts SET amount_minor = amount_minor - 1
        WHERE voucher_id = (SELECT id FROM vouchers WHERE name = 'Summed')
    """,
    "a discount's progress is what the ledger says": """
        UPDATE discounts SET cycles = cycles + 1 WHERE subscription = 'sub_counted'
    """,
    "what an invoice was answered is what the ledger says": """
        UPDATE invoice_discounts SET answer = '{"discountTotal": 801, "lines": []}' WHERE invoice = 'inv_answered'
    """,
    "refunds and credits have the share of the discount that is due": """
        UPDATE invoice_reversals SET lines = '[{"id": "base", "amount": "2000", "discounts": {"x": "201"}}]'
        WHERE invoice = 'inv_refunded'
    """,
    "a discount is where its moves have left it": """
        UPDATE discounts SET subscription = 'sub_elsewhere' WHERE subscription = 'sub_moved'
    """,
}


def serve_customers() -> None:
    """Send the traffic of an ordinary day: each of the subjects, and one of the same kind that stays as it is."""
    for name in ("Counted", "Held", "Summed", "Sound"):
        voucher = create_voucher(name=name)["id"]
        redeem(voucher=voucher, subscription=f"sub_{name}")
        reserve(voucher=voucher)
        confirm(reserve(voucher=voucher))
        apply(subscription=f"sub_{name}")
    add_codes(create_voucher(), {"code": "CODED"}, {"code": "OTHER"})
    once = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 1})["id"]
    for number in range(2):
        redeem(code=("CODED", "OTHER")[number])
        redeem(voucher=once, customer=("cus_once", "cus_more")[number])
    redeem(voucher=once, customer="cus_lost")
    ten = create_voucher(code="TEN")["id"]
    for subject in ("counted", "answered", "refunded", "voided", "credited"):
        redeem(code="TEN", subscription=f"sub_{subject}")
        apply(invoice=f"inv_{subject}", subscription=f"sub_{subject}")
    refund("inv_refunded", "r1", base=2000)
    reverse("inv_voided")
    credit(1000, of="inv_credited", invoice="inv_crediting", subscription="sub_credited")
    move(redeem(voucher=ten, subscription="sub_before")["discount"], subscription="sub_moved")
    end(redeem(voucher=ten, subscription="sub_ended")["discount"])
    record(voucher=create_voucher(stampCard={"stamps": 2})["id"], stamp=1)
    task_named("vouchers.generate_codes")(request={"project": "gigs", "voucher": ten, "count": 3})


def test_each_check_is_about_a_subject():
    """A new check has to be added to a subject, or the audit of changes would leave it out."""
    checks = {check for subject in SUBJECTS for check in subject.checks}
    assert checks == set(CHECKS)


@pytest.mark.slow
@pytest.mark.usefixtures("tampered_database")
def test_ten_of_ten_planted_corruptions_are_found():
    """By the rows of their subjects that ordinary traffic has left. Before that, nothing is reported."""
    serve_customers()
    assert (audit_latest(), audit()) == ([], [])
    assert len(PLANTED) == 10
    for change in PLANTED.values():
        tamper(change)
    found = audit_latest()
    assert PLANTED.keys() - {each.check for each in found} == set()
    assert PLANTED.keys() - {each.check for each in audit()} == set()
    assert {(each.check, each.subject) for each in found} <= {(each.check, each.subject) for each in audit()}


@pytest.mark.usefixtures("tampered_database")
def test_a_subject_without_new_rows_is_left_to_the_audit_of_everything():
    """Its tables are not even read."""
    redeem(voucher=create_voucher()["id"])
    tamper("UPDATE vouchers SET redemptions = 7")
    with transaction() as session:
        now = read_clock(session)
    assert audit_changes(first=now, end=now + timedelta(hours=1), pace=Pace(seconds_max=0)) == []
    assert len(audit()) == len(audit_latest()) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("tampered_database")
def test_many_new_rows_are_audited_in_parts(monkeypatch: pytest.MonkeyPatch):
    """Of the span, and of the vouchers. The parts follow each other without a gap, and find what one part finds."""
    serve_customers()
    for change in PLANTED.values():
        tamper(change)
    at_once = audit_latest()
    monkeypatch.setattr(changes, "ROWS_MAX", 3)
    monkeypatch.setattr(changes, "GROUP_SIZE_MAX", 1)
    with transaction() as session:
        now = read_clock(session)
    parts = divided(now - timedelta(minutes=5), now)
    assert len(parts) > 5
    assert [each["end"] for each in parts[:-1]] == [each["first"] for each in parts[1:]]
    assert (parts[0]["first"], parts[-1]["end"]) == (now - timedelta(minutes=5), now)
    assert set(audit_latest()) == set(at_once)


@pytest.mark.usefixtures("database")
def test_vouchers_and_codes_are_audited_in_groups_with_few_redemptions(monkeypatch: pytest.MonkeyPatch):
    """A hundred popular codes have millions of redemptions together, although few are new."""
    codes = [f"CODE{number}" for number in range(3)]
    add_codes(create_voucher(), *({"code": code} for code in codes))
    for code in codes * 2:
        redeem(code=code)
    monkeypatch.setattr(changes, "GROUP_SIZE_MAX", 5)
    groups = defaultdict[str, list[int]](list)
    check = changes._check  # noqa: SLF001 - a transaction is about one group

    def note(subject: Subject, part: dict[str, Any]) -> list[Violation]:
        if "ids" in part:
            groups[subject.checks[0]].append(len(part["ids"]))
        return check(subject, part)

    monkeypatch.setattr(changes, "_check", note)
    assert audit_latest() == []
    # Each code has two redemptions, and the voucher has six.
    assert groups == {VOUCHERS.checks[0]: [1], CODES.checks[0]: [1, 1, 1]}


@pytest.mark.slow
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("is_analyzed", [False, True])
def test_no_statement_scans_a_real_table(is_analyzed: bool):
    """Whatever the statistics say, and although hundreds of rows are new."""
    serve_customers()
    requests = [redemption(code="TEN", customer="cus_1", subscription=f"sub_many_{number}") for number in range(300)]
    task_named("redemptions.redeem_many")(request={"requests": requests})
    if is_analyzed:
        analyze()
    # Also of the queries that fill the temporary tables.
    with explained(beginnings=("SELECT", "WITH", "CREATE TEMPORARY TABLE"), options="(VERBOSE)") as plans:
        assert audit_latest() == []
    assert len(plans) > len(CHECKS)
    assert [plan for plan in plans if "Seq Scan on public." in plan] == []


@pytest.mark.usefixtures("database")
def test_the_transaction_can_change_nothing_and_leaves_nothing_behind():
    """The temporary tables are gone at its end, and the real ones were never changed."""
    create_voucher()
    (vouchers,) = (each for each in SUBJECTS if "no voucher is over-redeemed" in each.checks)
    with transaction() as session:
        keys = session.execute(text("SELECT project, id FROM vouchers")).one()
    with transaction() as session:
        assert vouchers.replace_tables(session, parameters={"projects": [keys.project], "ids": [keys.id]})
        read_only = session.execute(text("SELECT current_setting('transaction_read_only')")).scalar_one()
        tables = "SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()"
        assert session.execute(text(f"{tables} AND relkind = 'r'")).scalar_one() == len(vouchers.tables) + 1
        assert read_only == "on"
    with transaction() as session:
        assert session.execute(text(tables)).scalar_one() == 0


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("path", ["public", "public, pg_temp", '"$user", public, pg_temp'])
def test_the_temporary_tables_come_first_wherever_the_path_has_them(path: str):
    """A database may put them last, as PostgreSQL's documentation advises for some functions."""
    create_voucher()
    with transaction() as session:
        now = read_clock(session)
    parameters = {"first": now - timedelta(minutes=5), "end": now}
    with transaction() as session:
        session.execute(text(f"SET LOCAL search_path = {path}"))
        assert HISTORIES.replace_tables(session, parameters=parameters)
        seen = "SELECT relnamespace = pg_my_temp_schema() FROM pg_class WHERE oid = 'vouchers'::regclass"
        assert session.execute(text(seen)).scalar_one()


@pytest.mark.usefixtures("database")
def test_a_statement_may_take_longer_than_a_tasks():
    """Cancelled, it would be repeated from the beginning until the message expires, and by every later audit."""
    slow = Subject(changed="SELECT pg_sleep(0.3)::text AS slept", tables={}, checks=())
    for begin in (lambda session: slow.replace_tables(session, parameters={}), set_plans):
        with transaction() as session:
            session.execute(text("SET LOCAL statement_timeout = '100ms'"))
            begin(session)
            session.execute(text("SELECT pg_sleep(0.3)"))
