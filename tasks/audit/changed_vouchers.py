"""Vouchers, codes, histories and customers of vouchers with new rows, and all that the checks read of them."""

from tasks.audit.changed_discounts import CHANGED_DISCOUNTS
from tasks.audit.subject import GROUP, Subject, in_span

# A voucher or a code with more redemptions is counted and summed by the audit of everything only.
REDEMPTIONS_MAX = 100_000
_NEW_ROWS = {"redemptions": "decided_at", "holds": "created_at", "usage_records": "created_at"}


def _new(columns: str, *tables: str) -> str:
    return " UNION ".join(
        f"SELECT {columns} FROM {table} WHERE voucher_id IS NOT NULL AND {in_span(_NEW_ROWS[table])}"  # noqa: S608 - our own names
        for table in tables
    )


def _of_changed(table: str, key: str = "voucher_id") -> str:
    return f"""
        SELECT own.* FROM changed JOIN {table} AS own ON own.project = changed.project AND own.{key} = changed.id
    """  # noqa: S608 - our own names


def _of_discounts(table: str) -> str:
    return f"""
        SELECT own.* FROM discounts
        JOIN {table} AS own ON own.project = discounts.project AND own.discount_id = discounts.id
    """  # noqa: S608 - our own names


VOUCHERS = Subject(
    listed=f"""
        SELECT vouchers.project, vouchers.id, vouchers.redemptions AS size FROM (
            {_new("project, voucher_id", "redemptions", "holds", "usage_records")}
            UNION SELECT project, voucher_id FROM voucher_changes WHERE {in_span("created_at")}
            UNION SELECT discounts.project, discounts.voucher_id
            FROM ({CHANGED_DISCOUNTS}) AS changed JOIN discounts USING (project, id)
        ) AS changed
        JOIN vouchers ON vouchers.project = changed.project AND vouchers.id = changed.voucher_id
        WHERE vouchers.redemptions <= {REDEMPTIONS_MAX}
    """,  # noqa: S608 - put together from the constants above
    changed=GROUP,
    tables={
        "vouchers": _of_changed("vouchers", "id"),
        # With the condition of `uq_redemptions_number`.
        "redemptions": """
            SELECT own.project, own.voucher_id, own.reason, own.redemption_number, own.decided_at FROM changed
            JOIN redemptions AS own ON own.project = changed.project AND own.voucher_id = changed.id
            WHERE own.redemption_number IS NOT NULL
        """,
        # With the condition of `uq_holds_open`.
        "holds": f"{_of_changed('holds')} WHERE own.status = 'open'",
        # With the collation of `ix_discounts_voucher`.
        "discounts": """
            SELECT own.* FROM changed
            JOIN discounts AS own ON own.voucher_id = changed.id AND own.project COLLATE "C" = changed.project
        """,
        "usage_entries": _of_discounts("usage_entries"),
        "usage_reversals": _of_discounts("usage_reversals"),
        "imported_discounts": _of_discounts("imported_discounts"),
        "given_amounts": _of_changed("given_amounts"),
        "budgets": _of_changed("budgets"),
        "returned_places": _of_changed("returned_places"),
        "voucher_changes": _of_changed("voucher_changes"),
        # The code that the voucher shows, by its text: a voucher can have a million others.
        "codes": " UNION ALL ".join(
            f"""
            SELECT own.* FROM vouchers
            JOIN codes AS own
                 ON own.project COLLATE "POSIX" = vouchers.project AND lower(own.code) = lower(vouchers.code)
            WHERE own.voucher_id = vouchers.id AND own.retired_reason {is_available}
            """  # noqa: S608 - one of two texts
            for is_available in ("IS NULL", "IS NOT NULL")
        ),
    },
    checks=(
        "redemptions are counted and numbered without a gap",
        "imported places are matched one after the other",
        "no voucher is over-redeemed",
        "a full voucher is retired",
        "what was retired as expired or full is so",
        "a voucher's open holds are counted",
        "no voucher holds more places than it has left",
        "what a voucher has given is what the ledger says",
        "a budget's spending is what the ledger says",
        "a voucher's budgets are those that it shows",
        "the places that are free again are counted",
        "the code that a voucher shows is one of its codes",
        "the history of a voucher begins with its creation",
        "a voucher was retired by hand if its history says so",
        "the last update of a voucher is in its history",
        "a voucher is as its updates have left it",
    ),
)

CODES = Subject(
    listed=f"""
        SELECT codes.project, codes.id, codes.redemptions AS size FROM (
            {_new("project, code_id AS id", "redemptions", "holds")}
            UNION SELECT project, code_id FROM voucher_changes WHERE {in_span("created_at")}
        ) AS named
        JOIN codes USING (project, id) WHERE codes.redemptions <= {REDEMPTIONS_MAX}
    """,  # noqa: S608 - put together from the constants above
    changed=GROUP,
    tables={
        "codes": _of_changed("codes", "id"),
        # Places are returned to vouchers and codes, and this is about codes.
        "vouchers": "SELECT * FROM vouchers WHERE false",
        # With the collation and the conditions of `ix_redemptions_accepted_code`.
        "redemptions": """
            SELECT own.project, own.code_id, own.reason FROM changed
            JOIN redemptions AS own ON own.code_id = changed.id AND own.project COLLATE "C" = changed.project
            WHERE own.redemption_number IS NOT NULL AND own.code_id IS NOT NULL
        """,
        # With the conditions of `ix_holds_code`.
        "holds": f"""
            {_of_changed("holds", "code_id")}
            WHERE own.status = 'open' AND own.closed_at IS NULL AND own.code_id IS NOT NULL
        """,
        **{
            name: f"""
                SELECT own.* FROM (SELECT DISTINCT project, voucher_id FROM codes) AS owner
                JOIN {name} AS own USING (project, voucher_id) WHERE code_id IN (SELECT id FROM changed)
            """  # noqa: S608 - our own names
            for name in ("returned_places", "voucher_changes")
        },
    },
    checks=(
        "a code's redemptions are counted",
        "no code is over-redeemed",
        "a full code is retired",
        "no code holds more places than it has left",
        "the places that are free again are counted",
        "a code was retired by hand if the history of its voucher says so",
    ),
)

# Only what an operator did to a voucher concerns all of its codes.
HISTORIES = Subject(
    changed=f"SELECT DISTINCT project, voucher_id AS id FROM voucher_changes WHERE {in_span('created_at')}",  # noqa: S608 - the condition above
    tables={
        "vouchers": _of_changed("vouchers", "id"),
        "voucher_changes": _of_changed("voucher_changes"),
        # With the conditions of `ix_codes_voucher_available` and `ix_codes_voucher_retired`.
        "codes": " UNION ALL ".join(
            f"{_of_changed('codes')} WHERE own.retired_at {is_available}" for is_available in ("IS NULL", "IS NOT NULL")
        ),
        "code_generations": """
            SELECT own.* FROM (
                SELECT project, generation_id AS id FROM voucher_changes UNION SELECT project, generation_id FROM codes
            ) AS named
            JOIN code_generations AS own USING (project, id)
        """,
    },
    checks=(
        "all codes of a voucher are in its history",
        "all generations of codes are in the history of their voucher",
        "a generation made as many codes as it says",
        "a code was retired by hand if the history of its voucher says so",
    ),
)

_OF_CUSTOMER = (
    "own.project = changed.project AND own.voucher_id = changed.voucher_id AND own.customer = changed.customer"
)
CUSTOMERS = Subject(
    changed=_new("project, voucher_id, customer", *_NEW_ROWS),
    tables={
        # With the collation and the condition of `ix_redemptions_customer`.
        "redemptions": """
            SELECT own.* FROM changed
            JOIN redemptions AS own
                 ON own.voucher_id = changed.voucher_id AND own.project COLLATE "C" = changed.project
                    AND own.customer = changed.customer
            WHERE own.reason IS NULL
        """,
        "vouchers": """
            SELECT own.* FROM (SELECT DISTINCT project, voucher_id AS id FROM changed) AS named
            JOIN vouchers AS own USING (project, id)
        """,
        # Those that are open, with the condition of `ix_holds_customer`, and those that were confirmed.
        "holds": f"""
            SELECT own.* FROM changed JOIN holds AS own ON {_OF_CUSTOMER}
            WHERE own.status = 'open' AND own.closed_at IS NULL AND own.reason IS NULL
            UNION ALL
            SELECT own.* FROM redemptions
            JOIN holds AS own ON own.project = redemptions.project AND own.redemption_id = redemptions.id
        """,  # noqa: S608 - put together from the condition above
        # Those that the redemptions and the holds name.
        "codes": """
            SELECT own.* FROM (
                SELECT project, code_id AS id FROM redemptions UNION SELECT project, code_id FROM holds
            ) AS named
            JOIN codes AS own USING (project, id)
        """,
        **{
            name: f"""
                SELECT own.* FROM redemptions
                JOIN {name} AS own ON own.project = redemptions.project AND own.discount_id = redemptions.id
            """  # noqa: S608 - our own names
            for name in ("returned_places", "imported_discounts")
        },
        "usage_records": f"SELECT own.* FROM changed JOIN usage_records AS own ON {_OF_CUSTOMER}",  # noqa: S608 - the condition above
    },
    checks=(
        "no customer exceeds a voucher's limit",
        "no customer holds more places than it may have",
        "no customer exceeds a code's limit",
        "no customer holds more places of a code than it may have",
        "what a recorded use was answered is what the ledger says",
        "no card was completed without its stamps",
    ),
)
