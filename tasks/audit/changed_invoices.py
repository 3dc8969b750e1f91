"""Invoices and reversals with new rows, and all that the checks read of them."""

from models.reversal_kinds import GIVES_BACK
from tasks.audit.subject import Subject, in_span

_INSTANTS = {
    "invoice_discounts": "applied_at",
    "usage_entries": "created_at",
    "invoice_reversals": "created_at",
    "usage_reversals": "created_at",
}

# An invoice, its entries and its credits are of the same instant, and so are a reversal and its entries. No index finds
# the entries of an invoice.
LEDGER = Subject(
    changed=f"""
        SELECT 1 AS is_new FROM invoice_discounts WHERE {in_span("applied_at")}
        UNION SELECT 1 FROM invoice_reversals WHERE {in_span("created_at")}
    """,  # noqa: S608 - put together from the conditions above
    tables={
        **{
            name: f"SELECT * FROM {name} WHERE {in_span(instant)}"  # noqa: S608 - our own names
            for name, instant in _INSTANTS.items()
        },
        "discounts": """
            SELECT own.* FROM (SELECT DISTINCT project, discount_id AS id FROM usage_entries) AS named
            JOIN discounts AS own USING (project, id)
        """,
    },
    checks=(
        "what an invoice was answered is what the ledger says",
        "what a reversal was answered is what the ledger says",
        "an entry of a reversal is of the same kind, instant and invoice",
        "what an invoice was answered about its credits is what the ledger says",
        "an invoice reached the minimum of each discount that it got",
        "an exclusive discount was alone on its invoices",
    ),
)

# With a reversed invoice, those that it credits.
REVERSED_INVOICES = Subject(
    changed=f"""
        WITH reversed AS MATERIALIZED (
            SELECT project, invoice, credited_by FROM invoice_reversals WHERE {in_span("created_at")}
        )
        SELECT project, invoice FROM reversed
        UNION SELECT project, credited_by FROM reversed WHERE credited_by IS NOT NULL
        UNION
        SELECT project, credit -> 'creditOf' ->> 'invoice'
        FROM reversed JOIN invoice_discounts USING (project, invoice), json_array_elements(answer -> 'credits') credit
    """,  # noqa: S608 - put together from the condition above
    tables={
        "invoice_discounts": "SELECT own.* FROM changed JOIN invoice_discounts AS own USING (project, invoice)",
        # A check looks whether a crediting invoice was given back, which need not have changed.
        "invoice_reversals": f"""
            WITH own AS MATERIALIZED (
                SELECT own.* FROM changed
                JOIN invoice_reversals AS own ON own.project = changed.project AND own.invoice = changed.invoice
            )
            SELECT * FROM own
            UNION ALL
            SELECT crediting.* FROM (
                SELECT project, credited_by AS invoice FROM own EXCEPT SELECT project, invoice FROM changed
            ) AS credits
            JOIN invoice_reversals AS crediting USING (project, invoice)
            WHERE crediting.{GIVES_BACK}
        """,  # noqa: S608 - put together from the condition above
    },
    checks=(
        "a credit is reversed with its invoice, and only then",
        "no more is refunded and credited of a line than it was billed",
        "refunds and credits have the share of the discount that is due",
    ),
)
