"""The time of a page of 200 vouchers among a million: the first, the middle and the last page.

`make bench-catalogue` runs this on its own servers. The pages take turns. The table shows the median, the fastest and
the slowest time of each, in milliseconds.
"""

import time
from statistics import median

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from benchmarks.machine import calibrated
from benchmarks.rows import INSERTED_AT_ONCE, add_histories, analyze
from benchmarks.servers import benchmark_servers
from tasks.vouchers.list import list_vouchers
from tasks.vouchers.messages import ListVouchers
from worker.database import allow_long_statements, transaction

VOUCHERS = 1_000_000
LIMIT = 200
REPETITIONS = 50
FIRST, LAST = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"
# The ids are random, so the rows of a page are scattered over the table. That is the worst case.
MIDDLE = "80000000-0000-0000-0000-000000000000"
PAGES: dict[str, dict[str, object]] = {
    "first page": {"after": LAST},
    "middle page": {"after": MIDDLE},
    "middle page, backwards": {"before": MIDDLE},
    "last page": {"before": FIRST},
    "first page of the retired": {"status": ["retired"]},
    "last page of the retired": {"status": ["retired"], "before": FIRST},
    "by code": {"code": "code-777777"},
    "of a campaign with 100,000": {"campaign": "campaign 7"},
    "of such a campaign, the last page": {"campaign": "campaign 7", "before": FIRST},
    "created before now": {"createdBefore": "2999-01-01T00:00:00Z"},
    "metadata of 1,000": {"metadata": {"team": 77}},
    "metadata of 100,000": {"metadata": {"region": 7}},
    "name of 1,000": {"name": "Listed 077"},
    "name of 100,000": {"name": "Listed 0"},
}


def main() -> None:
    """Insert the vouchers, time the pages and print the table."""
    with benchmark_servers() as servers, servers.database():
        insert_vouchers()
        title = f"{LIMIT} of {VOUCHERS:,} vouchers, in milliseconds; {calibrated()}"
        table = Table("page", "items", "median", "fastest", "slowest", title=title)
        for name, (items, seconds) in timed_pages().items():
            figures = (median(seconds), min(seconds), max(seconds))
            table.add_row(name, str(items), *(f"{each * 1_000:.1f}" for each in figures))
        table.caption = f"afterwards: {calibrated()}"
    servers.require_clean()
    Console(width=140).print(table)


def insert_vouchers() -> None:
    """Add the vouchers by SQL, every tenth of them retired."""
    for start in range(0, VOUCHERS, INSERTED_AT_ONCE):
        with transaction() as session:
            session.execute(
                text("""
                    INSERT INTO vouchers (project, id, created_at, name, code, percentage_millionths, recurrence,
                                          metadata, campaign, retired_reason, retired_at)
                    SELECT 'bench', gen_random_uuid(), now(), 'Listed ' || to_char(number % 1000, 'FM000'),
                           'CODE-' || number, 100000, 'once',
                           json_build_object('team', number % 1000, 'region', number / 7 % 10),
                           'campaign ' || number / 7 % 10,
                           CASE WHEN number % 10 = 0 THEN 'manualAction' END, CASE WHEN number % 10 = 0 THEN now() END
                    FROM generate_series(:start + 1, :start + :how_many) AS number
                """),
                {"start": start, "how_many": INSERTED_AT_ONCE},
            )
    with transaction() as session:
        allow_long_statements(session.connection())
        session.execute(
            text("""
                INSERT INTO codes (project, id, voucher_id, code, created_at, is_primary)
                SELECT project, id, id, code, created_at, true FROM vouchers
            """)
        )
    add_histories()
    analyze()


def timed_pages() -> dict[str, tuple[int, list[float]]]:
    """Return the number of items of each page, and the seconds of each reading."""
    results: dict[str, tuple[int, list[float]]] = {name: (0, []) for name in PAGES}
    for _ in range(REPETITIONS):
        for name, fields in PAGES.items():
            request = ListVouchers.model_validate({"project": "bench", "limit": LIMIT, **fields})
            started = time.perf_counter()
            with transaction() as session:
                answer = list_vouchers(session, request, narrowed_by=request.filter())
            results[name][1].append(time.perf_counter() - started)
            results[name] = (len(answer["items"]), results[name][1])
    return results


if __name__ == "__main__":
    main()
