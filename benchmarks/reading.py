"""The time of the lists and explanations of support, with 10,000,000 redemptions stored: `make bench-reading`.

Most of the redemptions are added by SQL. The last ones are decided by the use cases: accepted by a code, refused, and
discounted on an invoice. The reads take turns. The table shows the median, the fastest and the slowest time of each.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from benchmarks import rows
from benchmarks.batches import per_second
from benchmarks.machine import calibrated
from benchmarks.servers import benchmark_servers
from tasks.invoices.apply import apply_all
from tasks.invoices.list import list_invoices
from tasks.invoices.messages import Apply, ListInvoices
from tasks.redemptions.list import list_redemptions
from tasks.redemptions.messages import ListRedemptions, Redeem
from tasks.redemptions.redeem import redeem_all
from tasks.reports.discounts import report_discounts
from tasks.reports.messages import ReportDiscounts
from tasks.support.explain import explain_subject
from tasks.support.messages import Explain
from worker.database import allow_long_statements, transaction

VOUCHERS = 10_000
DECIDED = 20_000
LIMIT = 200
REPETITIONS = 50
# The redemptions of SQL and of the use cases. Their vouchers have a code each.
VOUCHER, CODE = str(rows.voucher_id(777)), "CODE-777"
_NAME_CODES = text("""
    WITH named AS (
        UPDATE vouchers SET code = 'CODE-' || number FROM generate_series(0, :how_many - 1) AS number
        WHERE id = md5('voucher-' || number)::uuid
        RETURNING project, id, code, created_at
    )
    INSERT INTO codes (project, id, voucher_id, code, created_at, is_primary)
    SELECT project, id, id, code, created_at, true FROM named
""")

Read = Callable[[], list[Any]]


def run(
    stored: Annotated[int, typer.Option(help="Redemptions that are stored before.")] = 10_000_000,
) -> None:
    """Store the redemptions, time the reads and print the table."""
    settings = {"shared_buffers": "4GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}
    with benchmark_servers(postgres=settings) as servers, servers.database():
        customer = fill(stored)
        servers.checkpoint()
        title = f"of {stored:,} redemptions, in milliseconds; {calibrated()}"
        table = Table("read", "items", "median", "fastest", "slowest", title=title)
        for name, (items, seconds) in timed(reads(customer)).items():
            figures = (median(seconds), min(seconds), max(seconds))
            table.add_row(name, f"{items:,}", *(f"{each * 1_000:.1f}" for each in figures))
        table.caption = f"afterwards: {calibrated()}"
        Console(width=140).print(table)
    servers.require_clean()


def fill(stored: int) -> str:
    """Store and decide the redemptions, and return a customer with a redemption, a refusal and an invoice."""
    vouchers = rows.add_vouchers(VOUCHERS)
    with transaction() as session:
        session.execute(_NAME_CODES, {"how_many": VOUCHERS})
    with ExitStack() as afterwards:
        for name in ("redemptions", "discounts", "subscriptions"):
            afterwards.enter_context(rows.without_indexes(name))
        rows.add_redemptions(first=0, how_many=stored, vouchers=VOUCHERS)
    rows.analyze()
    accepted = rows.redemptions(vouchers, how_many=DECIDED)
    by_code = [{**each, "voucher": None, "code": f"CODE-{number % VOUCHERS}"} for number, each in enumerate(accepted)]
    per_second(redeem_all, [Redeem.model_validate(each) for each in by_code])
    refused = [{**each, "requestId": f"{each['requestId']}-again", "currency": "EUR"} for each in accepted]
    per_second(redeem_all, [Redeem.model_validate(each) for each in refused])
    per_second(apply_all, [Apply.model_validate(_invoice_of(each)) for each in accepted])
    rows.analyze()
    return str(accepted[0]["customer"])


def _invoice_of(body: rows.Body) -> rows.Body:
    owner = {name: body[name] for name in ("project", "customer", "subscription")}
    return {**rows.invoice(0), **owner, "invoice": f"inv-{body['requestId']}"}


def reads(customer: str) -> Mapping[str, Read]:
    """Return the reads by their names."""
    subscription = customer.replace("cus_", "sub_", 1)
    owners = {"customer": customer, "subscription": subscription, "voucher": VOUCHER, "code": CODE}
    return {
        "`redemptions.list`, first page": partial(_redemptions),
        "refused": partial(_redemptions, outcome="refused"),
        "for a reason": partial(_redemptions, reason=["already_applied"]),
        "for a reason that none has": partial(_redemptions, reason=["voucher_expired"]),
        **{f"of a {name}": partial(_redemptions, **{name: each}) for name, each in owners.items()},
        "of a customer added by SQL": partial(_redemptions, customer="cus_777"),
        "of a voucher, refused": partial(_redemptions, voucher=VOUCHER, outcome="refused"),
        "of a voucher, in the last hour": partial(_redemptions, voucher=VOUCHER, decidedFrom=_an_hour_ago()),
        "`billing.list` of a customer": partial(_invoices, customer=customer),
        "`support.explain` of a customer": partial(_explained, customer=customer),
        "of a subscription added by SQL": partial(_explained, subscription="sub_777"),
        "`reports.discounts` of a voucher": partial(_report, voucher=VOUCHER),
    }


def _an_hour_ago() -> str:
    with transaction() as session:
        return str(session.execute(text("SELECT to_json(now() - interval '1 hour')")).scalar_one())


def _redemptions(**fields: object) -> list[Any]:
    request = ListRedemptions.model_validate({"project": rows.PROJECT, "limit": LIMIT, **fields})
    with transaction() as session:
        return list(list_redemptions(session, request)["items"])


def _invoices(**fields: object) -> list[Any]:
    request = ListInvoices.model_validate({"project": rows.PROJECT, "limit": LIMIT, **fields})
    with transaction() as session:
        return list(list_invoices(session, request)["items"])


def _explained(**fields: object) -> list[Any]:
    with transaction() as session:
        answer = explain_subject(session, Explain.model_validate({"project": rows.PROJECT, **fields}))
    return [*answer["requests"], *answer["discounts"]]


def _report(**fields: object) -> list[Any]:
    request = ReportDiscounts.model_validate({"project": rows.PROJECT, **fields})
    with transaction() as session:
        allow_long_statements(session.connection())
        return list(report_discounts(session, request)["items"])


def timed(reads: Mapping[str, Read]) -> dict[str, tuple[int, list[float]]]:
    """Return the number of items of each read, and the seconds that it took each time."""
    results: dict[str, tuple[int, list[float]]] = {name: (0, []) for name in reads}
    for _ in range(REPETITIONS):
        for name, read in reads.items():
            started = time.perf_counter()
            items = read()
            results[name][1].append(time.perf_counter() - started)
            results[name] = (len(items), results[name][1])
    return results


if __name__ == "__main__":
    typer.run(run)
