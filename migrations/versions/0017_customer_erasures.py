"""Erasures of customers, and the one change that append-only tables allow: a pseudonym in the place of an id."""

from alembic import op

revision = "0017"
down_revision = "0016"

# They read tables. Without its mention, `pg_temp` is searched first.
READING = tuple(
    f"{verb}_fk_{name}()"
    for name in ("redemptions_voucher_id", "usage_entries_invoice", "usage_entries_discount_id")
    for verb in ("check", "keep")
)
REFUSE_CHANGE_BEFORE = """
    CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
    END $$
"""
REFUSE_CHANGE = """
    CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        -- Refused requests and stored answers are pruned. An accepted redemption is kept by another trigger.
        IF TG_OP = 'DELETE' AND TG_TABLE_NAME IN ('redemptions', 'write_answers')
           AND current_setting('scrip.pruned', true) = TG_TABLE_NAME THEN
            RETURN NULL;
        END IF;
        -- An erasure is checked row by row.
        IF TG_OP = 'UPDATE' AND current_setting('scrip.erased_customer', true) <> '' THEN
            RETURN NULL;
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
KEEP_ACCEPTED = """
    CREATE FUNCTION keep_accepted() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'an accepted redemption is kept: DELETE is refused' USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE TRIGGER keep_accepted BEFORE DELETE ON redemptions
    FOR EACH ROW WHEN (OLD.reason IS NULL) EXECUTE FUNCTION keep_accepted()
"""
KEEP_HOLDS = """
    CREATE FUNCTION keep_holds() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'holds keeps such a row: DELETE is refused' USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE TRIGGER keep_holds BEFORE DELETE ON holds
    FOR EACH ROW WHEN (NOT (OLD.status = 'refused')) EXECUTE FUNCTION keep_holds()
"""
KEEP_CUSTOMER = """
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
# The other tables with a customer, which is never changed but by an erasure.
WITH_CUSTOMER = ("codes", "discounts", "holds")
# Every append-only table has this trigger.
APPEND_ONLY = "SELECT tgrelid::regclass FROM pg_trigger WHERE tgname = 'append_only' AND NOT tgisinternal"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE customer_erasures (
            project text NOT NULL,
            id uuid NOT NULL,
            pseudonym text NOT NULL,
            customer text,
            key bytea,
            actor text,
            started_at timestamptz NOT NULL,
            ended_at timestamptz,
            CONSTRAINT pk_customer_erasures PRIMARY KEY (project, id),
            CONSTRAINT ck_customer_erasures_customer_until_ended CHECK ((customer IS NULL) = (ended_at IS NOT NULL)),
            CONSTRAINT ck_customer_erasures_key_until_ended CHECK (key IS NOT NULL OR ended_at IS NOT NULL),
            CONSTRAINT ck_customer_erasures_ended_after_start CHECK (ended_at >= started_at)
        )
    """)
    op.execute("ALTER TABLE customer_erasures ALTER COLUMN project SET STATISTICS 0")
    op.execute("""
        CREATE UNIQUE INDEX uq_customer_erasures_running ON customer_erasures (project, customer)
        WHERE customer IS NOT NULL
    """)
    op.execute("CREATE INDEX ix_customer_erasures_keys ON customer_erasures (project, pseudonym) WHERE key IS NOT NULL")
    op.execute("CREATE INDEX ix_codes_customer ON codes (project, customer, id) WHERE customer IS NOT NULL")
    op.execute("""
        CREATE INDEX ix_write_answers_created_at ON write_answers USING brin (created_at) WITH (autosummarize = true)
    """)
    op.execute(REFUSE_CHANGE)
    op.execute(KEEP_ACCEPTED)
    op.execute(KEEP_HOLDS)
    op.execute(ALLOW_ERASURE)
    on_each_append_only("""
        CREATE TRIGGER append_only_but_erasure BEFORE UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION allow_erasure()
    """)
    op.execute(KEEP_CUSTOMER)
    for table in WITH_CUSTOMER:
        op.execute(f"""
            CREATE TRIGGER keep_customer BEFORE UPDATE OF customer ON {table}
            FOR EACH ROW EXECUTE FUNCTION keep_customer()
        """)
    for function in READING:
        op.execute(f"ALTER FUNCTION {function} SET search_path = public, pg_temp")


def downgrade() -> None:
    for function in READING:
        op.execute(f"ALTER FUNCTION {function} SET search_path FROM CURRENT")
    for table in WITH_CUSTOMER:
        op.execute(f"DROP TRIGGER keep_customer ON {table}")
    op.execute("DROP FUNCTION keep_customer()")
    on_each_append_only("DROP TRIGGER append_only_but_erasure ON %s")
    op.execute("DROP FUNCTION allow_erasure()")
    op.execute(REFUSE_CHANGE_BEFORE)
    op.execute("DROP TRIGGER keep_holds ON holds")
    op.execute("DROP FUNCTION keep_holds()")
    op.execute("DROP TRIGGER keep_accepted ON redemptions")
    op.execute("DROP FUNCTION keep_accepted()")
    op.execute("DROP INDEX ix_write_answers_created_at")
    op.execute("DROP INDEX ix_codes_customer")
    op.drop_table("customer_erasures")


def on_each_append_only(statement: str) -> None:
    op.execute(f"""
        DO $do$
        DECLARE
            name text;
        BEGIN
            FOR name IN {APPEND_ONLY} LOOP
                EXECUTE format($statement${statement}$statement$, name);
            END LOOP;
        END $do$
    """)
