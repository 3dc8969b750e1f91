"""What the tables of discounts and their changes refuse."""

from tests.database.constraints.table import NEW, NULL, Change, Table

AMOUNT: Change = {"percentage_millionths": NULL, "amounts_minor": "'{\"USD\": 100}'"}
REPEATING = {"recurrence": "'repeating'"}
PHASE = "jsonb_build_object('percentage_millionths', 1, 'duration', 1)"
MANY_PHASES = f"(SELECT jsonb_agg({PHASE}) FROM generate_series(1, 13))"  # noqa: S608 - the constant above
PHASES: Change = {
    **REPEATING,
    "duration_in_months": "1",
    "percentage_millionths": NULL,
    "phases": f"jsonb_build_array({PHASE})",
}
# The days of a discount with one discounted cycle.
ONE_CYCLE: Change = {
    "cycles": "1",
    "first_cycle_start": "'2027-02-01'",
    "last_cycle_start": "'2027-02-01'",
    "last_cycle_end": "'2027-03-01'",
}
NONE_MOVED: Change = {"from_subscription": NULL, "to_subscription": NULL}
EXTENDED: Change = {**NONE_MOVED, "kind": "'extended'", "from_duration": "3", "to_duration": "4"}
ENDED = "(SELECT id FROM discounts WHERE status = 'ended' LIMIT 1)"
DISCOUNTS = Table(
    name="discounts",
    row="subscription = 'sub_not_billed'",
    fresh={"id": NEW, "subscription": "'copy'"},
    required=(
        *(
            "voucher_id",
            "customer",
            "subscription",
            "created_at",
            "recurrence",
            "carry_over",
            "priority",
            "exclusive",
            "starts_on",
        ),
        *("starts_on_in_utc", "status", "cycles", "entries_given_back", "entries_credited", "has_budget"),
        "is_imported",
    ),
    refused={
        "pk_discounts": [{"id": "id"}],
        "uq_discounts_running": [{"subscription": "subscription"}],
        "ck_discounts_balance_if_carry_over": [
            {"carry_over": "true"},
            {**AMOUNT, "carry_over": "true", "recurrence": "'once'"},
        ],
        "ck_discounts_credited_not_negative": [{"entries_credited": "-1"}],
        "ck_discounts_cycles_in_order": [{**ONE_CYCLE, "first_cycle_start": "'2027-02-02'"}],
        "ck_discounts_cycles_in_range": [{"cycles": "-1"}, {**ONE_CYCLE, "recurrence": "'once'", "cycles": "2"}],
        "ck_discounts_cycles_with_dates": [{"cycles": "1"}, {**ONE_CYCLE, "cycles": "0"}],
        "ck_discounts_cycles_within_duration": [{**ONE_CYCLE, **REPEATING, "duration_in_cycles": "1", "cycles": "2"}],
        "ck_discounts_duration_if_repeating": [
            REPEATING,
            {**REPEATING, "duration_in_months": "3", "duration_in_cycles": "3"},
            {"duration_in_months": "3"},
        ],
        "ck_discounts_ended_whole": [{"status": "'ended'"}, {"ended_at": "created_at"}],
        "ck_discounts_ends_whole": [
            {**ONE_CYCLE, "last_cycle_start": NULL, "last_cycle_end": NULL},
            {**ONE_CYCLE, "first_cycle_start": NULL, "cycles": "0"},
        ],
        "ck_discounts_given_back_not_negative": [{"entries_given_back": "-1"}],
        "ck_discounts_last_cycle_not_empty": [{**ONE_CYCLE, "last_cycle_end": "'2027-02-01'"}],
        "ck_discounts_last_cycle_whole": [{**ONE_CYCLE, "last_cycle_end": NULL}, {"last_cycle_end": "'2027-03-01'"}],
        "ck_discounts_minimum_subtotal_whole": [
            {"minimum_subtotal_minor": "1"},
            {"minimum_subtotal_currency": "'USD'"},
        ],
        "ck_discounts_one_total": [
            {**AMOUNT, "carry_over": "true", "maximum_discount_in_all_minor": "'{\"USD\": 1}'"},
        ],
        "ck_discounts_one_price_discount": [
            {"percentage_millionths": NULL},
            {**AMOUNT, "percentage_millionths": "100000"},
            {**PHASES, "percentage_millionths": "100000"},
        ],
        "ck_discounts_phases_if_repeating": [{**PHASES, "recurrence": "'forever'", "duration_in_months": NULL}],
        "ck_discounts_phases_in_range": [
            {**PHASES, "phases": "'[]'"},
            {**PHASES, "phases": MANY_PHASES},
        ],
        "ck_discounts_recurrence_known": [{"recurrence": "'yearly'"}],
        "ck_discounts_running_not_completed": [{"completed_at": "created_at"}],
        "ck_discounts_status_known": [{"status": "'paused'"}],
    },
)
DISCOUNT_CHANGES = Table(
    name="discount_changes",
    row="kind = 'moved'",
    fresh={"number": "1000"},
    required=("kind", "created_at"),
    left_out_with={"kind": NONE_MOVED},
    refused={
        "pk_discount_changes": [{"number": "number"}],
        "uq_discount_changes_ended": [
            {
                **NONE_MOVED,
                "kind": "'ended'",
                "discount_id": ENDED,
            }
        ],
        "fk_discount_changes_project_discount_id_discounts": [{"discount_id": NEW}],
        "ck_discount_changes_extended_has_durations": [
            {"from_duration": "3", "to_duration": "4"},
            {**EXTENDED, "from_duration": NULL},
            {**EXTENDED, "from_duration": NULL, "to_duration": NULL},
        ],
        "ck_discount_changes_extended_longer": [{**EXTENDED, "from_duration": "4"}],
        "ck_discount_changes_kind_known": [{**NONE_MOVED, "kind": "'shortened'"}],
        "ck_discount_changes_moved_elsewhere": [{"to_subscription": "from_subscription"}],
        "ck_discount_changes_moved_has_subscriptions": [
            {"to_subscription": NULL},
            NONE_MOVED,
            {**EXTENDED, "from_subscription": "'sub_1'", "to_subscription": "'sub_2'"},
        ],
    },
)
SUBSCRIPTIONS = Table(
    name="subscriptions",
    row="true",
    fresh={"subscription": "'copy'"},
    refused={"pk_subscriptions": [{"subscription": "subscription"}]},
)
NO_CYCLE: Change = {"first_cycle_start": NULL, "last_cycle_start": NULL, "last_cycle_end": NULL}
IMPORTED_DISCOUNTS = Table(
    name="imported_discounts",
    row="cycles = 1",
    # A discount that has no such row yet.
    fresh={"discount_id": "(SELECT id FROM discounts WHERE NOT is_imported LIMIT 1)", "ref": "'copy'"},
    required=("ref", "subscription", "cycles", "taken_minor", "status", "created_at"),
    left_out_with={"cycles": NO_CYCLE},
    refused={
        "pk_imported_discounts": [{"discount_id": "discount_id"}],
        "uq_imported_discounts_ref": [{"ref": "ref"}],
        "fk_imported_discounts_project_discount_id_discounts": [{"discount_id": NEW}],
        "ck_imported_discounts_cycles_not_negative": [{**NO_CYCLE, "cycles": "-1"}],
        "ck_imported_discounts_cycles_with_dates": [
            {"cycles": "0", "last_cycle_start": "first_cycle_start + 1", "last_cycle_end": NULL},
            NO_CYCLE,
            {"last_cycle_end": NULL},
        ],
        "ck_imported_discounts_one_cycle_if_the_same": [
            {"cycles": "2"},
            {"last_cycle_start": "first_cycle_start + 1"},
        ],
        "ck_imported_discounts_cycles_in_order": [{"cycles": "2", "last_cycle_start": "first_cycle_start - 1"}],
        "ck_imported_discounts_last_cycle_not_empty": [{"last_cycle_end": "last_cycle_start"}],
        "ck_imported_discounts_taken_by_currency": [{"taken_minor": "'[]'"}],
        "ck_imported_discounts_status_known": [{"status": "'ended'"}],
    },
)
TABLES = (DISCOUNTS, DISCOUNT_CHANGES, IMPORTED_DISCOUNTS, SUBSCRIPTIONS)
