"""What the tables of vouchers refuse."""

from tests.database.constraints.table import NEW, NULL, Change, Table

IN_ALL: Change = {
    "maximum_discount_in_all_minor": "'{\"USD\": 1}'",
    "maximum_discount_in_all_currency": "'USD'",
}
AMOUNT: Change = {"percentage_millionths": NULL, "amounts_minor": "'{\"USD\": 100}'", "currency": "'USD'"}
KEYED: Change = {"request_id": "'copy'", "fingerprint": "'\\x00'", "creation_answer": "'{}'"}
CARD: Change = {"stamps_required": "10"}
REPEATING = {"recurrence": "'repeating'"}
PHASE = "jsonb_build_object('percentage_millionths', 1, 'duration', 1)"
MANY_PHASES = f"(SELECT jsonb_agg({PHASE}) FROM generate_series(1, 13))"  # noqa: S608 - the constant above
PHASES: Change = {
    **REPEATING,
    "duration_in_months": "1",
    "percentage_millionths": NULL,
    "phases": f"jsonb_build_array({PHASE})",
}

VOUCHERS = Table(
    name="vouchers",
    row="name = 'Ten percent' AND request_id IS NULL AND delivery_id IS NULL AND redemptions = 0 AND code IS NULL",
    fresh={"id": NEW},
    required=(
        *("created_at", "name", "recurrence", "carry_over", "priority", "redemptions", "imported_redemptions", "held"),
        *("places_returned", "metadata", "exclusive", "first_purchase_only", "imported_matched"),
        "minimum_subtotal_on_invoice",
    ),
    refused={
        "pk_vouchers": [{"id": "id"}],
        "uq_vouchers_request": [{**KEYED, "request_id": "'voucher-1'"}],
        "uq_vouchers_delivery": [{**KEYED, "request_id": NULL, "delivery_id": "'task-1'"}],
        "ck_vouchers_answer_keyed": [
            {"request_id": "'copy'"},
            {**KEYED, "request_id": NULL},
            {**KEYED, "delivery_id": "'copy'"},
        ],
        "ck_vouchers_answer_whole": [{**KEYED, "creation_answer": NULL}, {"creation_answer": "'{}'"}],
        "ck_vouchers_balance_if_carry_over": [
            {"carry_over": "true"},
            {**AMOUNT, "carry_over": "true", "recurrence": "'once'"},
        ],
        "ck_vouchers_budget_currency_has_an_amount": [{"budget_minor": "'{\"USD\": 1}'", "budget_currency": "'EUR'"}],
        "ck_vouchers_budget_whole": [{"budget_minor": "'{\"USD\": 1}'"}, {"budget_currency": "'USD'"}],
        "ck_vouchers_currency_has_an_amount": [{**AMOUNT, "currency": "'EUR'"}],
        "ck_vouchers_currency_with_amounts": [{**AMOUNT, "currency": NULL}, {"currency": "'USD'"}],
        "ck_vouchers_customer_maximum_positive": [{"maximum_redemptions_per_customer": "0"}],
        "ck_vouchers_cycles_in_range": [
            {**REPEATING, "duration_in_cycles": "0"},
            {**REPEATING, "duration_in_cycles": "1000"},
        ],
        "ck_vouchers_duration_if_repeating": [
            REPEATING,
            {**REPEATING, "duration_in_months": "3", "duration_in_cycles": "3"},
            {"duration_in_months": "3"},
        ],
        "ck_vouchers_duration_in_range": [
            {**REPEATING, "duration_in_months": "0"},
            {**REPEATING, "duration_in_months": "1000"},
        ],
        "ck_vouchers_excluded_products_not_empty": [{"excluded_products": "'{}'"}],
        "ck_vouchers_held_not_negative": [{"held": "-1"}],
        "ck_vouchers_imported_within_redemptions": [{"imported_redemptions": "-1"}, {"imported_redemptions": "1"}],
        "ck_vouchers_matched_within_imported": [{"imported_matched": "-1"}, {"imported_matched": "1"}],
        "ck_vouchers_maximum_discount_currency_has_an_amount": [
            {"maximum_discount_minor": "'{\"USD\": 1}'", "maximum_discount_currency": "'EUR'"}
        ],
        "ck_vouchers_maximum_discount_in_all_currency_has_an_amount": [
            {"maximum_discount_in_all_minor": "'{\"USD\": 1}'", "maximum_discount_in_all_currency": "'EUR'"}
        ],
        "ck_vouchers_maximum_discount_in_all_whole": [
            {"maximum_discount_in_all_minor": "'{\"USD\": 1}'"},
            {"maximum_discount_in_all_currency": "'USD'"},
        ],
        "ck_vouchers_maximum_discount_whole": [
            {"maximum_discount_minor": "'{\"USD\": 1}'"},
            {"maximum_discount_currency": "'USD'"},
        ],
        "ck_vouchers_maximum_positive": [{"maximum_redemptions": "0"}],
        "ck_vouchers_minimum_on_invoice": [{"minimum_subtotal_on_invoice": "true"}],
        "ck_vouchers_minimum_subtotal_positive": [
            {"minimum_subtotal_minor": "0", "minimum_subtotal_currency": "'USD'"}
        ],
        "ck_vouchers_minimum_subtotal_whole": [
            {"minimum_subtotal_minor": "1"},
            {"minimum_subtotal_currency": "'USD'"},
        ],
        "ck_vouchers_one_total": [{**AMOUNT, **IN_ALL, "carry_over": "true"}],
        "ck_vouchers_one_price_discount": [
            {"percentage_millionths": NULL},
            {**AMOUNT, "percentage_millionths": "100000"},
            {**PHASES, "percentage_millionths": "100000"},
        ],
        "ck_vouchers_percentage_in_range": [
            {"percentage_millionths": "0"},
            {"percentage_millionths": "1000001"},
        ],
        "ck_vouchers_phases_if_repeating": [{**PHASES, "recurrence": "'forever'", "duration_in_months": NULL}],
        "ck_vouchers_phases_in_range": [
            {**PHASES, "phases": "'[]'"},
            {**PHASES, "phases": MANY_PHASES},
        ],
        "ck_vouchers_places_within_redemptions": [{"places_returned": "-1"}, {"places_returned": "1"}],
        "ck_vouchers_priority_in_range": [{"priority": "-1"}, {"priority": "1001"}],
        "ck_vouchers_products_not_excluded": [{"products": "'{a,b}'", "excluded_products": "'{b,c}'"}],
        "ck_vouchers_products_not_empty": [{"products": "'{}'"}],
        "ck_vouchers_recurrence_known": [{"recurrence": "'yearly'"}],
        "ck_vouchers_redemptions_not_negative": [
            {"redemptions": "-1", "imported_redemptions": "-1", "places_returned": "-1"}
        ],
        "ck_vouchers_redemptions_within_maximum": [{"redemptions": "2", "maximum_redemptions": "1"}],
        "ck_vouchers_retired_reason_known": [{"retired_reason": "'lost'", "retired_at": "created_at"}],
        "ck_vouchers_retired_whole": [{"retired_reason": "'expired'"}, {"retired_at": "created_at"}],
        "ck_vouchers_stamp_days_in_range": [
            {**CARD, "stamp_expire_days": "0"},
            {**CARD, "stamp_expire_days": "3651"},
        ],
        "ck_vouchers_stamp_days_with_stamps": [{"stamp_expire_days": "30"}],
        "ck_vouchers_stamps_in_range": [{"stamps_required": "1"}, {"stamps_required": "1001"}],
        "ck_vouchers_window_not_empty": [{"starts_at": "created_at", "expires_at": "created_at"}],
    },
    besides={
        # Between 0 and the redemptions are the imported redemptions, and so are the returned places.
        "ck_vouchers_redemptions_not_negative": (
            "ck_vouchers_imported_within_redemptions",
            "ck_vouchers_matched_within_imported",
            "ck_vouchers_places_within_redemptions",
        ),
        # Between 0 and the imported redemptions are those that are matched.
        "ck_vouchers_imported_within_redemptions": ("ck_vouchers_matched_within_imported",),
    },
)
UPDATE: Change = {"before": NULL, "after": NULL}
VOUCHER_CHANGES = Table(
    name="voucher_changes",
    row="kind = 'updated'",
    fresh={"id": NEW},
    required=("kind", "created_at"),
    refused={
        "pk_voucher_changes": [{"id": "id"}],
        "uq_voucher_changes_once": [{**UPDATE, "kind": "'created'"}],
        "fk_voucher_changes_project_voucher_id_vouchers": [{"voucher_id": NEW}],
        "fk_voucher_changes_project_generation_id_code_generations": [
            {**UPDATE, "kind": "'codes_generated'", "codes": "1", "generation_id": NEW}
        ],
        "fk_voucher_changes_project_code_id_codes": [{**UPDATE, "kind": "'code_retired'", "code_id": NEW}],
        "ck_voucher_changes_code_named": [
            {"code_id": "(SELECT id FROM codes LIMIT 1)"},
            {**UPDATE, "kind": "'code_retired'"},
        ],
        "ck_voucher_changes_codes_counted": [
            {"codes": "1"},
            {**UPDATE, "kind": "'codes_added'"},
        ],
        "ck_voucher_changes_codes_positive": [{**UPDATE, "kind": "'codes_added'", "codes": "0"}],
        "ck_voucher_changes_generation_named": [
            {"generation_id": "(SELECT id FROM code_generations LIMIT 1)"},
            {**UPDATE, "kind": "'codes_generated'", "codes": "1"},
        ],
        "ck_voucher_changes_kind_known": [{**UPDATE, "kind": "'renamed'"}],
        "ck_voucher_changes_states_of_updates": [{"kind": "'codes_added'", "codes": "1"}],
        "ck_voucher_changes_states_whole": [{"before": NULL}, {"after": NULL}],
    },
)
BUDGETS = Table(
    name="budgets",
    row="currency = 'USD'",
    fresh={"currency": "'EUR'"},
    required=("amount_minor", "spent_minor"),
    refused={
        "pk_budgets": [{"currency": "currency"}],
        "fk_budgets_project_voucher_id_vouchers": [{"voucher_id": NEW}],
        "ck_budgets_amount_positive": [{"amount_minor": "0", "spent_minor": "0"}],
        "ck_budgets_spent_within_amount": [{"spent_minor": "-1"}, {"spent_minor": "amount_minor + 1"}],
    },
)
GIVEN_AMOUNTS = Table(
    name="given_amounts",
    row="currency = 'USD'",
    fresh={"currency": "'EUR'"},
    required=("amount_minor",),
    refused={
        "pk_given_amounts": [{"currency": "currency"}],
        "fk_given_amounts_project_voucher_id_vouchers": [{"voucher_id": NEW}],
    },
)
TABLES = (VOUCHERS, VOUCHER_CHANGES, BUDGETS, GIVEN_AMOUNTS)
