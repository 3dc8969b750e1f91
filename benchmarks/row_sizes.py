"""What a redemption, a refused request and an invoice take on the disk, with their indexes: `make bench-sizes`.

Requests are decided by the use cases, and all tables and indexes are measured before and after. An invoice is the first
of its discount, and has two lines.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

import typer
from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks import rows
from benchmarks.batches import BATCH
from benchmarks.servers import benchmark_servers
from tasks.invoices.apply import apply_all
from tasks.invoices.messages import Apply
from tasks.redemptions.messages import Redeem
from tasks.redemptions.redeem import redeem_all
from worker.database import run_in_transaction, transaction

VOUCHERS = 100
_SIZE = text("""
    SELECT CAST(sum(pg_table_size(oid)) AS bigint) AS rows,
           CAST(sum(pg_indexes_size(oid)) AS bigint) AS indexes
    FROM pg_class
    WHERE relkind = 'r' AND relnamespace = CAST(current_schema() AS regnamespace)
""")

Decide = Callable[..., Sequence[Any]]


def stored_bytes(decide: Decide, requests: Sequence[Any], *, outcome: str) -> str:
    """Decide requests in batches, and return a row of the table. Every answer must have that outcome."""
    before = sizes()
    for first in range(0, len(requests), BATCH):
        batch = requests[first : first + BATCH]
        answers = run_in_transaction(partial(_decide_batch, decide=decide, batch=batch))
        others = {each["outcome"] for each in answers} - {outcome}
        if others:
            raise SystemExit(f"answered {others}, not {outcome}: no figure counts")
    in_rows, in_indexes = ((now - then) / len(requests) for now, then in zip(sizes(), before, strict=True))
    return f"{in_rows:,.0f} | {in_indexes:,.0f} | {in_rows + in_indexes:,.0f}"


def _decide_batch(session: Session, *, decide: Decide, batch: Sequence[Any]) -> Sequence[Any]:
    return decide(session, batch)


def sizes() -> tuple[int, int]:
    """Return the bytes of all tables, and of their indexes."""
    with transaction() as session:
        found = session.execute(_SIZE).one()
    return found.rows, found.indexes


def run(how_many: Annotated[int, typer.Option(help="Requests of each kind.")] = 50_000) -> None:
    """Measure, and print a line for each kind."""
    with benchmark_servers() as servers, servers.database():
        vouchers = rows.add_vouchers(VOUCHERS)
        bodies = list(rows.redemptions(vouchers, how_many=how_many))
        accepted = [Redeem.model_validate(each) for each in bodies]
        refused = [
            Redeem.model_validate({**each, "requestId": f"{each['requestId']}-again", "currency": "EUR"})
            for each in bodies
        ]
        invoices = [Apply.model_validate(_invoice_of(each)) for each in bodies]
        print("| what | row | indexes | bytes |\n|---|---|---|---|")
        print(f"| an accepted redemption | {stored_bytes(redeem_all, accepted, outcome='accepted')} |")
        print(f"| a refused redemption | {stored_bytes(redeem_all, refused, outcome='refused')} |")
        print(f"| an invoice with a discount | {stored_bytes(apply_all, invoices, outcome='applied')} |")
    servers.require_clean()


def _invoice_of(body: rows.Body) -> rows.Body:
    return {
        **{name: body[name] for name in ("project", "customer", "subscription")},
        "invoice": f"inv-{body['requestId']}",
        "currency": "USD",
        "period": rows.PERIOD,
        "lines": rows.LINES,
    }


if __name__ == "__main__":
    typer.run(run)
