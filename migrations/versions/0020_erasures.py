"""Erasures answer a repeated request, and their rows stay. Nothing is erased without one, or pruned within 7 days."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0020"
down_revision = "0019"

ERASURES = "customer_erasures"
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
ALLOW_ERASURE = """
    CREATE OR REPLACE FUNCTION allow_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        erased CONSTANT text := current_setting('scrip.erased_customer', true);
        pseudonym CONSTANT text := current_setting('scrip.pseudonym', true);
        is_running CONSTANT boolean := EXISTS (
            SELECT FROM public.customer_erasures AS erasure
            WHERE erasure.project = NEW.project AND erasure.customer = erased
                  AND erasure.pseudonym = current_setting('scrip.pseudonym', true)
        );
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
        IF is_running AND pseudonym ~ '^erased_[0-9a-f]{32}$'
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
KEEP_CUSTOMER_BEFORE = """
    CREATE OR REPLACE FUNCTION keep_customer() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.customer IS DISTINCT FROM NEW.customer AND NOT coalesce(
            OLD.customer = current_setting('scrip.erased_customer', true)
            AND NEW.customer = current_setting('scrip.pseudonym', true)
            AND NEW.customer ~ '^erased_[0-9a-f]{32}$', false
        ) THEN
            RAISE EXCEPTION '% keeps its customers: % is refused', TG_TABLE_NAME, TG_OP
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$
"""
KEEP_CUSTOMER = """
    CREATE OR REPLACE FUNCTION keep_customer() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.customer IS DISTINCT FROM NEW.customer AND NOT coalesce(
            OLD.customer = current_setting('scrip.erased_customer', true)
            AND NEW.customer = current_setting('scrip.pseudonym', true)
            AND NEW.customer ~ '^erased_[0-9a-f]{32}$'
            AND EXISTS (
                SELECT FROM public.customer_erasures AS erasure
                WHERE (erasure.project, erasure.customer, erasure.pseudonym) = (NEW.project, OLD.customer, NEW.customer)
            ), false
        ) THEN
            RAISE EXCEPTION '% keeps its customers: % is refused', TG_TABLE_NAME, TG_OP
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$
"""
KEEP_ERASURE = """
    CREATE FUNCTION keep_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'an erasure keeps its customer until it ends: UPDATE is refused'
            USING ERRCODE = 'restrict_violation';
    END $$
"""
KEEPING_ERASURE = """
    CREATE TRIGGER keep_erasure BEFORE UPDATE ON customer_erasures
    FOR EACH ROW WHEN (NEW.customer IS NOT NULL AND NEW.customer IS DISTINCT FROM OLD.customer)
    EXECUTE FUNCTION keep_erasure()
"""
KEEP_RECENT = """
    CREATE FUNCTION keep_recent_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '{table} keeps a row for 7 days: DELETE is refused' USING ERRCODE = 'restrict_violation';
    END $$
"""
# The tables that are pruned, with the instant of a row.
PRUNED = {"redemptions": "decided_at", "holds": "created_at", "write_answers": "created_at"}


def upgrade() -> None:
    op.add_column(ERASURES, sa.Column("request_keys", ARRAY(sa.Text), server_default="{}", nullable=False))
    op.execute(f"""
        ALTER TABLE {ERASURES} ADD CONSTRAINT ck_customer_erasures_answered_when_ended
        CHECK (ended_at IS NULL OR request_keys = '{{}}')
    """)
    op.execute(ALLOW_ERASURE)
    op.execute(KEEP_CUSTOMER)
    op.execute(KEEP_ERASURE)
    op.execute(KEEPING_ERASURE)
    for table, column in PRUNED.items():
        op.execute(KEEP_RECENT.replace("{table}", table))
        op.execute(f"""
            CREATE TRIGGER keep_recent_{table} BEFORE DELETE ON {table}
            FOR EACH ROW WHEN (OLD.{column} > clock_timestamp() - interval '168 hours')
            EXECUTE FUNCTION keep_recent_{table}()
        """)


def downgrade() -> None:
    # The earlier release would not go on with the same pseudonym.
    op.execute(f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM {ERASURES} WHERE ended_at IS NULL) THEN
                RAISE EXCEPTION 'an erasure has not ended';
            END IF;
        END $$
    """)
    for table in PRUNED:
        op.execute(f"DROP TRIGGER keep_recent_{table} ON {table}")
        op.execute(f"DROP FUNCTION keep_recent_{table}()")
    op.execute(f"DROP TRIGGER keep_erasure ON {ERASURES}")
    op.execute("DROP FUNCTION keep_erasure()")
    op.execute(KEEP_CUSTOMER_BEFORE)
    op.execute(ALLOW_ERASURE_BEFORE)
    op.drop_constraint("ck_customer_erasures_answered_when_ended", ERASURES)
    op.drop_column(ERASURES, "request_keys")
