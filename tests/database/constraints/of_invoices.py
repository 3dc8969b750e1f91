"""What the tables of the ledger refuse."""

from tests.database.constraints.table import NEW, NULL, Change, Table

INVOICE_DISCOUNTS = Table(
    name="invoice_discounts",
    row="invoice = 'inv_refunded'",
    fresh={"invoice": "'copy'"},
    required=("fingerprint", "subscription", "customer", "answer", "applied_at"),
    refused={"pk_invoice_discounts": [{"invoice": "invoice"}]},
)
USAGE_ENTRIES = Table(
    name="usage_entries",
    row="invoice = 'inv_refunded'",
    # An invoice of another subscription.
    fresh={"invoice": "'inv_of_nobody'", "id": NEW},
    required=(
        *("id", "period_start", "period_end", "currency", "amount_minor", "created_at", "cycle_start", "cycle_end"),
    ),
    refused={
        "pk_usage_entries": [{"invoice": "invoice"}],
        "ck_usage_entries_amount_positive": [{"amount_minor": "0"}],
        "ck_usage_entries_cycle_not_empty": [{"cycle_end": "cycle_start"}],
        "ck_usage_entries_phase_in_range": [{"phase": "0"}, {"phase": "13"}],
        "ck_usage_entries_period_not_empty": [{"period_end": "period_start"}],
    },
)
CREDITED: Change = {"kind": "'credited'", "credited_by": "'inv_of_nobody'", "answer": NULL, "actor": NULL}
INVOICE_REVERSALS = Table(
    name="invoice_reversals",
    row="kind = 'refunded'",
    fresh={"id": NEW},
    required=("invoice", "kind", "lines", "created_at"),
    refused={
        "pk_invoice_reversals": [{"id": "id"}],
        "uq_invoice_reversals_given_back": [{"kind": "'charged_back'", "invoice": "'inv_voided'"}],
        "fk_invoice_reversals_project_invoice_invoice_discounts": [{"invoice": "'missing'"}],
        "fk_invoice_reversals_project_credited_by_invoice_discounts": [{**CREDITED, "credited_by": "'missing'"}],
        "ck_invoice_reversals_actor_unless_credit": [{**CREDITED, "actor": "'anna'"}],
        "ck_invoice_reversals_answer_unless_credit": [{"answer": NULL}, {**CREDITED, "answer": "'{}'"}],
        "ck_invoice_reversals_credited_by_if_credit": [
            {"kind": "'credited'"},
            {"kind": "'credit_reversed'"},
            {**CREDITED, "kind": "'refunded'"},
        ],
        "ck_invoice_reversals_kind_known": [{"kind": "'lost'"}],
    },
)
VOIDED: Change = {
    name: f"(SELECT {name} FROM usage_reversals WHERE invoice = 'inv_voided')"  # noqa: S608 - our own columns
    for name in ("discount_id", "invoice", "reversal_id")
}
USAGE_REVERSALS = Table(
    name="usage_reversals",
    row="kind = 'refunded'",
    fresh={"id": NEW},
    required=(
        *("discount_id", "invoice", "reversal_id", "kind", "currency", "amount_minor", "is_in_full", "created_at"),
    ),
    refused={
        "pk_usage_reversals": [{"id": "id"}],
        "uq_usage_reversals_given_back": [{**VOIDED, "kind": "'charged_back'"}],
        "fk_usage_reversals_project_discount_id_invoice_usage_entries": [
            {"invoice": "'missing'"},
            {"discount_id": NEW},
        ],
        "fk_usage_reversals_project_reversal_id_invoice_reversals": [{"reversal_id": NEW}],
        "ck_usage_reversals_amount_signed": [
            {"amount_minor": "1"},
            {"kind": "'credit_reversed'", "credited_by": "'inv_1'", "amount_minor": "-1"},
        ],
        "ck_usage_reversals_credited_by_if_credit": [
            {"kind": "'credited'"},
            {"kind": "'credit_reversed'", "amount_minor": "0"},
            {"credited_by": "'inv_1'"},
        ],
        "ck_usage_reversals_kind_known": [{"kind": "'lost'"}],
    },
)
TABLES = (INVOICE_DISCOUNTS, USAGE_ENTRIES, INVOICE_REVERSALS, USAGE_REVERSALS)
