"""What the tables of codes refuse."""

from tests.database.constraints.table import NEW, NULL, Table

CODES = Table(
    name="codes",
    row="is_primary AND retired_reason IS NULL AND redemptions = 0",
    fresh={"id": NEW, "code": "'COPY'", "is_primary": "false"},
    required=("voucher_id", "code", "created_at", "is_primary", "redemptions", "places_returned"),
    refused={
        "pk_codes": [{"id": "id"}],
        "uq_codes_available": [{"code": "lower(code)"}],
        "uq_codes_primary": [{"is_primary": "true"}],
        "fk_codes_project_voucher_id_vouchers": [{"voucher_id": NEW}],
        "ck_codes_customer_maximum_positive": [{"maximum_redemptions_per_customer": "0"}],
        "ck_codes_maximum_positive": [{"maximum_redemptions": "0"}],
        "ck_codes_places_within_redemptions": [{"places_returned": "-1"}, {"places_returned": "1"}],
        "ck_codes_redemptions_not_negative": [{"redemptions": "-1", "places_returned": "-1"}],
        "ck_codes_redemptions_within_maximum": [{"redemptions": "2", "maximum_redemptions": "1"}],
        "ck_codes_retired_reason_known": [{"retired_reason": "'lost'", "retired_at": "created_at"}],
        "ck_codes_retired_whole": [{"retired_reason": "'expired'"}, {"retired_at": "created_at"}],
    },
    # Between 0 and the redemptions are the returned places.
    besides={"ck_codes_redemptions_not_negative": ("ck_codes_places_within_redemptions",)},
)
CODE_GENERATIONS = Table(
    name="code_generations",
    row="completed_at IS NOT NULL",
    fresh={"id": NEW, "key": "'copy'"},
    required=("voucher_id", "fingerprint", "parameters", "count", "generated", "created_at"),
    refused={
        "pk_code_generations": [{"id": "id"}],
        "uq_code_generations_key": [{"key": "key"}],
        "fk_code_generations_project_voucher_id_vouchers": [{"voucher_id": NEW}],
        "ck_code_generations_completed_when_all_are_there": [{"completed_at": NULL}, {"generated": "count - 1"}],
        "ck_code_generations_count_in_range": [
            {"count": "0", "generated": "0"},
            {"count": "1000001", "generated": "1000001"},
        ],
        "ck_code_generations_generated_in_range": [
            {"generated": "-1", "completed_at": NULL},
            {"generated": "count + 1", "completed_at": NULL},
        ],
    },
)
TABLES = (CODES, CODE_GENERATIONS)
