"""What the tables of redemptions and holds refuse."""

from tests.database.constraints.table import NEW, NULL, Change, Table

REFUSED: Change = {"status": "'refused'", "reason": "'voucher_expired'", "expires_at": NULL}
CLOSED: Change = {"status": "'released'", "closed_at": "created_at"}
REDEMPTIONS = Table(
    name="redemptions",
    row="reason IS NULL",
    fresh={"request_id": "'copy'", "id": NEW, "redemption_number": "1000"},
    required=("id", "fingerprint", "customer", "subscription", "effective_at", "decided_at"),
    refused={
        "pk_redemptions": [{"request_id": "request_id"}],
        "uq_redemptions_number": [{"redemption_number": "redemption_number"}],
        "ck_redemptions_accepted_has_number": [{"redemption_number": NULL}, {"reason": "'voucher_expired'"}],
        "ck_redemptions_accepted_has_voucher": [{"voucher_id": NULL}],
        "ck_redemptions_effective_not_later": [{"effective_at": "decided_at + interval '1 microsecond'"}],
        "ck_redemptions_number_positive": [{"redemption_number": "0"}],
        # Answers that are never stored are no reasons of a row.
        "ck_redemptions_reason_known": [
            {"reason": f"'{reason}'", "redemption_number": NULL}
            for reason in ("busy", "idempotency_conflict", "fully_reserved", "too_many_attempts")
        ],
        "ck_redemptions_refused_has_other_discount": [{"other_discount_id": NEW}],
    },
)
HOLDS = Table(
    name="holds",
    row="status = 'open'",
    fresh={"request_id": "'copy'", "id": NEW, "subscription": "'copy'"},
    required=(*("id", "fingerprint", "customer", "subscription", "request", "effective_at", "created_at", "status"),),
    refused={
        "pk_holds": [{"request_id": "request_id"}],
        "uq_holds_open": [{"subscription": "subscription"}],
        "uq_holds_redemption": [
            {
                **CLOSED,
                "status": "'confirmed'",
                "redemption_id": "(SELECT other.redemption_id FROM holds AS other WHERE other.status = 'confirmed')",
            }
        ],
        "fk_holds_project_voucher_id_vouchers": [{"voucher_id": NEW}],
        "ck_holds_closed_whole": [{"closed_at": "created_at"}, {**CLOSED, "closed_at": NULL}],
        "ck_holds_confirmed_has_redemption": [
            {**CLOSED, "status": "'confirmed'"},
            {**CLOSED, "redemption_id": NEW},
        ],
        "ck_holds_effective_not_later": [{"effective_at": "created_at + interval '1 microsecond'"}],
        "ck_holds_end_after_beginning": [{"expires_at": "created_at"}],
        "ck_holds_held_has_end": [{"expires_at": NULL}, {**REFUSED, "expires_at": "expires_at"}],
        "ck_holds_held_has_voucher": [{"voucher_id": NULL}],
        "ck_holds_reason_known": [
            {**REFUSED, "reason": f"'{reason}'"}
            for reason in ("busy", "idempotency_conflict", "fully_reserved", "too_many_attempts")
        ],
        "ck_holds_refused_has_other_discount": [{"other_discount_id": NEW}],
        "ck_holds_refused_has_reason": [{"reason": "'voucher_expired'"}, {**REFUSED, "reason": NULL}],
        "ck_holds_status_known": [{**CLOSED, "status": "'lost'"}],
    },
)
RETURNED_PLACES = Table(
    name="returned_places",
    row="true",
    fresh={"discount_id": "(SELECT id FROM discounts WHERE status = 'running' LIMIT 1)"},
    required=("voucher_id", "customer", "kind", "created_at"),
    refused={
        "pk_returned_places": [{"discount_id": "discount_id"}],
        "fk_returned_places_project_discount_id_discounts": [{"discount_id": NEW}],
        "ck_returned_places_kind_known": [{"kind": "'half'"}],
    },
)
FAILED_ATTEMPTS = Table(
    name="failed_attempts",
    row="true",
    fresh={"customer": "'copy'"},
    required=("began_at", "attempts"),
    refused={
        "pk_failed_attempts": [{"customer": "customer"}],
        "ck_failed_attempts_counted": [{"attempts": "0"}],
    },
)
TABLES = (REDEMPTIONS, HOLDS, RETURNED_PLACES, FAILED_ATTEMPTS)
