"""Refuse a hold deleted, a temporary table in the place of a referenced one, and a digest put into an answer."""

from alembic import op

revision = "0019"
down_revision = "0018"

# They read tables. Without its mention, `pg_temp` is searched first.
READING = tuple(
    f"{verb}_fk_{name}()"
    for name in ("redemptions_voucher_id", "usage_entries_invoice", "usage_entries_discount_id")
    for verb in ("check", "keep")
)
KEEP_HOLDS = """
    CREATE FUNCTION keep_holds() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'holds keeps such a row: DELETE is refused' USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE TRIGGER keep_holds BEFORE DELETE ON holds
    FOR EACH ROW WHEN (NOT (OLD.status = 'refused')) EXECUTE FUNCTION keep_holds()
"""
ALLOW_ERASURE_BEFORE = """
    CREATE OR REPLACE FUNCTION allow_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        erased CONSTANT text := current_setting('scrip.erased_customer', true);
        pseudonym CONSTANT text := current_setting('scrip.pseudonym', true);
        erased_pair CONSTANT text := '"customer": ' || CAST(to_jsonb(erased) AS text);
        pseudonym_pair CONSTANT text := '"customer": ' || CAST(to_jsonb(pseudonym) AS text);
        digest CONSTANT text := 'usage-[0-9a-f]{64}';
        changeable CONSTANT text[] := ARRAY['customer', 'fingerprint', 'answer', 'request_id', 'ref_digest'];
        old_row CONSTANT jsonb := to_jsonb(OLD);
        new_row CONSTANT jsonb := to_jsonb(NEW);
        old_answer CONSTANT text := regexp_replace(old_row ->> 'answer', digest, '', 'g');
        new_answer CONSTANT text := regexp_replace(new_row ->> 'answer', digest, '', 'g');
        is_renamed CONSTANT boolean := coalesce(
            old_row ->> 'customer' = erased AND new_row ->> 'customer' = pseudonym, false
        );
    BEGIN
        IF pseudonym ~ '^erased_[0-9a-f]{32}$'
           AND old_row - changeable = new_row - changeable
           AND (is_renamed OR old_row -> 'customer' IS NOT DISTINCT FROM new_row -> 'customer')
           AND (is_renamed OR old_answer <> new_answer)
           AND old_answer IS NOT DISTINCT FROM replace(new_answer, pseudonym_pair, erased_pair)
           AND (old_row -> 'request_id' IS NOT DISTINCT FROM new_row -> 'request_id'
                OR (is_renamed AND old_row ->> 'request_id' ~ ('^' || digest || '$')
                    AND new_row ->> 'request_id' ~ ('^' || digest || '$')))
        THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
    END $$
"""
ALLOW_ERASURE = """
    CREATE OR REPLACE FUNCTION allow_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        erased CONSTANT text := current_setting('scrip.erased_customer', true);
        pseudonym CONSTANT text := current_setting('scrip.pseudonym', true);
        erased_pair CONSTANT text := '"customer": ' || CAST(to_jsonb(erased) AS text);
        pseudonym_pair CONSTANT text := '"customer": ' || CAST(to_jsonb(pseudonym) AS text);
        digest CONSTANT text := 'usage-[0-9a-f]{64}';
        changeable CONSTANT text[] := ARRAY['customer', 'fingerprint', 'answer', 'request_id', 'ref_digest'];
        old_row CONSTANT jsonb := to_jsonb(OLD);
        new_row CONSTANT jsonb := to_jsonb(NEW);
        old_answer CONSTANT text := regexp_replace(old_row ->> 'answer', digest, 'usage-', 'g');
        new_answer CONSTANT text := regexp_replace(new_row ->> 'answer', digest, 'usage-', 'g');
        is_renamed CONSTANT boolean := coalesce(
            old_row ->> 'customer' = erased AND new_row ->> 'customer' = pseudonym, false
        );
    BEGIN
        IF pseudonym ~ '^erased_[0-9a-f]{32}$'
           AND old_row - changeable = new_row - changeable
           AND (is_renamed OR old_row -> 'customer' IS NOT DISTINCT FROM new_row -> 'customer')
           AND (is_renamed OR old_answer <> new_answer)
           AND old_answer IS NOT DISTINCT FROM replace(new_answer, pseudonym_pair, erased_pair)
           AND (old_row -> 'request_id' IS NOT DISTINCT FROM new_row -> 'request_id'
                OR (is_renamed AND old_row ->> 'request_id' ~ ('^' || digest || '$')
                    AND new_row ->> 'request_id' ~ ('^' || digest || '$')))
        THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
    END $$
"""


def upgrade() -> None:
    for function in READING:
        op.execute(f"ALTER FUNCTION {function} SET search_path = public, pg_temp")
    op.execute(KEEP_HOLDS)
    op.execute(ALLOW_ERASURE)


def downgrade() -> None:
    op.execute(ALLOW_ERASURE_BEFORE)
    op.execute("DROP TRIGGER keep_holds ON holds")
    op.execute("DROP FUNCTION keep_holds()")
    for function in READING:
        op.execute(f"ALTER FUNCTION {function} SET search_path FROM CURRENT")
