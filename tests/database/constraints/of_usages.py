"""What the tables of usages and of stored answers refuse."""

from tests.database.constraints.table import NEW, Table

USAGE_RECORDS = Table(
    name="usage_records",
    row="usage = 1 AND stamp = 0",
    fresh={"ref": "'copy'", "id": NEW},
    # Without a reference there is no digest, which is part of the key.
    required=(*("id", "ref_type", "usage", "stamp", "amount_minor", "created_at", "fingerprint", "answer"),),
    left_out_with={"usage": {"stamp": "1"}},
    refused={
        "pk_usage_records": [{"ref": "ref"}],
        "uq_usage_records_id": [{"id": "id"}],
        "uq_usage_records_discount": [
            {
                "stamp": "1",
                "discount_id": "(SELECT discount_id FROM usage_records WHERE discount_id IS NOT NULL)",
            }
        ],
        "fk_usage_records_project_voucher_id_vouchers": [{"voucher_id": NEW}],
        "fk_usage_records_project_discount_id_discounts": [{"stamp": "1", "discount_id": NEW}],
        "ck_usage_records_counts_not_negative": [
            {"usage": "-1", "stamp": "1"},
            {"stamp": "-1"},
            {"amount_minor": "-1"},
        ],
        "ck_usage_records_granted_for_a_stamp": [
            {"discount_id": "(SELECT id FROM discounts WHERE subscription = 'sub_not_billed')"}
        ],
        "ck_usage_records_refused_counts_nothing": [{"reason": "'voucher_expired'"}, {"usage": "0"}],
    },
)
WRITE_ANSWERS = Table(
    name="write_answers",
    row="true",
    fresh={"key": "'copy'"},
    required=("fingerprint", "answer", "created_at"),
    refused={"pk_write_answers": [{"key": "key"}]},
)
TABLES = (USAGE_RECORDS, WRITE_ANSWERS)
