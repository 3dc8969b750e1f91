"""Discounts, subscriptions and holds with new rows, and all that the checks read of them."""

from tasks.audit.subject import Subject, in_span

# The append-only tables with the key of the discount. An accepted redemption and its discount have the same id.
CHANGED_DISCOUNTS = f"""
    SELECT project, id FROM redemptions WHERE reason IS NULL AND {in_span("decided_at")}
    UNION SELECT project, discount_id FROM usage_entries WHERE {in_span("created_at")}
    UNION SELECT project, discount_id FROM usage_reversals WHERE {in_span("created_at")}
    UNION SELECT project, discount_id FROM discount_changes WHERE {in_span("created_at")}
    UNION SELECT project, discount_id FROM returned_places WHERE {in_span("created_at")}
    UNION SELECT project, discount_id FROM usage_records WHERE discount_id IS NOT NULL AND {in_span("created_at")}
"""  # noqa: S608 - put together from the conditions above


def _of_changed(table: str, key: str = "discount_id") -> str:
    return f"""
        SELECT own.* FROM changed JOIN {table} AS own ON own.project = changed.project AND own.{key} = changed.id
    """  # noqa: S608 - our own names


DISCOUNTS = Subject(
    changed=CHANGED_DISCOUNTS,
    tables={
        "discounts": _of_changed("discounts", "id"),
        # With the conditions and the collation of `ix_redemptions_reason`.
        "redemptions": """
            SELECT own.* FROM changed
            JOIN redemptions AS own
                 ON own.project COLLATE "POSIX" = changed.project AND own.reason IS NULL AND own.id = changed.id
        """,
        "vouchers": """
            SELECT own.* FROM (SELECT DISTINCT project, voucher_id AS id FROM discounts) AS named
            JOIN vouchers AS own USING (project, id)
        """,
        "usage_entries": _of_changed("usage_entries"),
        "usage_reversals": _of_changed("usage_reversals"),
        "imported_discounts": _of_changed("imported_discounts"),
        "discount_changes": _of_changed("discount_changes"),
        "returned_places": _of_changed("returned_places"),
        "usage_records": _of_changed("usage_records"),
        "holds": _of_changed("holds", "redemption_id"),
        "invoice_reversals": """
            SELECT own.* FROM (SELECT DISTINCT project, invoice FROM usage_reversals) AS reversed
            JOIN invoice_reversals AS own ON own.project = reversed.project AND own.invoice = reversed.invoice
        """,
    },
    checks=(
        "accepted redemptions and no others have a discount",
        "nothing was redeemed outside its voucher's window",
        "nothing was redeemed for an instant that was too long ago",
        "a redemption names a code of its voucher",
        "nothing was redeemed by a code that had expired",
        "nothing was redeemed by a code of another customer",
        "a fixed discount gave no more than its amount in a cycle",
        "a discount gave no more than its balance or its maximum in all",
        "a discount whose balance or maximum in all is used up is completed",
        "an entry of the ledger is of the same instant as its invoice",
        "a discount's progress is what the ledger says",
        "a once discount took part in one invoice",
        "a repeating discount stayed in its window",
        "a discount in cycles ends with its last one",
        "a window ends so long after its first period",
        "a discount runs until it is over",
        "nothing was taken off by a discount that had ended",
        "the phases of a discount are those of its voucher, and last as long",
        "an entry of a ramp and no other names one of its phases",
        "a cycle of a ramp stays in its phase",
        "no phase of a ramp has more cycles than it lasts",
        "a cycle of a ramp was discounted in the phase of its place",
        "a discount is where its moves have left it",
        "a discount lasts as long as its extensions have made it",
        "changes of a discount are numbered without a gap",
        "a discount was ended if its history says so, and nothing was changed after that",
        "an invoice is discounted by the discounts of its subscription",
        "a stamp card's discounts were granted by the entries that completed it",
        "no more is reversed of an entry than it took",
        "a discount knows how many of its entries were given back",
        "a discount knows how many credits its entries had",
        "a place is free again for a redemption that had one",
        "only what never took effect or was refunded in full gives a place back",
        "a customer's place is free when all was refunded, and only then",
        "an imported discount is a redemption that came from elsewhere",
        "an imported place belongs to a discount that came from elsewhere",
        "a budget limits all the discounts of its voucher",
        "a discount is exclusive if its voucher is",
        "a discount comes in its voucher's place on invoices",
        "a discount has its voucher's maximum in all",
        "no invoice got more than the maximum from one discount",
    ),
)

SUBSCRIPTIONS = Subject(
    changed=f"""
        SELECT project, subscription FROM redemptions WHERE reason IS NULL AND {in_span("decided_at")}
        UNION SELECT project, to_subscription FROM discount_changes
        WHERE to_subscription IS NOT NULL AND {in_span("created_at")}
    """,  # noqa: S608 - put together from the conditions above
    tables={
        # With the collation of `uq_discounts_running`.
        "discounts": """
            SELECT own.* FROM changed
            JOIN discounts AS own
                 ON own.subscription = changed.subscription AND own.project COLLATE "POSIX" = changed.project
            WHERE own.status = 'running'
        """
    },
    checks=("no subscription runs too many discounts", "an exclusive discount runs alone"),
)

# A hold and the redemption that confirms it have the same request id.
HOLDS = Subject(
    changed=f"""
        SELECT project, request_id FROM holds WHERE {in_span("created_at")}
        UNION
        SELECT project, request_id FROM redemptions
        WHERE reason IS NULL AND {in_span("decided_at")} AND EXISTS (
            SELECT FROM holds WHERE holds.project = redemptions.project AND holds.request_id = redemptions.request_id
        )
    """,  # noqa: S608 - put together from the conditions above
    tables={
        name: f"SELECT own.* FROM changed JOIN {name} AS own USING (project, request_id)"  # noqa: S608 - our own names
        for name in ("holds", "redemptions")
    },
    checks=(
        "a confirmed hold is the redemption that was asked for",
        "a hold names a code of its voucher",
        "what has lapsed had its time",
    ),
)
