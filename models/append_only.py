"""Append-only tables: triggers refuse UPDATE, DELETE and TRUNCATE, except for the erasure of a customer.

An erasure names the customer's id and a pseudonym in settings of its transaction. If `customer_erasures` has a running
erasure with both, an UPDATE may put the pseudonym in the place of the id, in the column `customer` and in the value of
each `customer` of a JSON column. It may change the fingerprint of such a row, and the digest in the request id of a
stamp card. Every other change is refused.
"""

from sqlalchemy import DDL, Table, event

# The SQLSTATE tells this error apart from faults that are worth a retry.
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
# Turned back into the id, the pseudonym must leave exactly the old JSON. A generated column has no value yet, and is
# made of a column that must stay.
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
# For other tables with a customer.
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
KEEPING_CUSTOMER = """
    CREATE TRIGGER keep_customer BEFORE UPDATE OF customer ON {table}
    FOR EACH ROW EXECUTE FUNCTION keep_customer()
"""
# A row of `customer_erasures` allows the changes above, so it is that of one customer, and is not opened again.
KEEP_ERASURE = """
    CREATE FUNCTION keep_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'an erasure keeps its customer until it ends: UPDATE is refused'
            USING ERRCODE = 'restrict_violation';
    END $$
"""
KEEPING_ERASURE = """
    CREATE TRIGGER keep_erasure BEFORE UPDATE ON {table}
    FOR EACH ROW WHEN (NEW.customer IS NOT NULL AND NEW.customer IS DISTINCT FROM OLD.customer)
    EXECUTE FUNCTION keep_erasure()
"""
# Settings prune nothing that is younger. A day of a time zone may have another length.
RECENT = "OLD.{column} > clock_timestamp() - interval '168 hours'"
KEEP_ROW = """
    CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '{said}: DELETE is refused' USING ERRCODE = 'restrict_violation';
    END $$
"""
KEEPING_ROW = """
    CREATE TRIGGER {name} BEFORE DELETE ON {table}
    FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION {name}()
"""
# The first trigger runs once per statement, and neither ever for an INSERT.
TRIGGERS = (
    """
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
    """
    CREATE TRIGGER append_only_but_erasure BEFORE UPDATE ON {table}
    FOR EACH ROW EXECUTE FUNCTION allow_erasure()
""",
)


def append_only(table: Table) -> Table:
    """Add the triggers to the table's DDL, and return the table."""
    return _with(table, REFUSE_CHANGE, ALLOW_ERASURE, *(trigger.format(table=table.name) for trigger in TRIGGERS))


def keeping_customer(table: Table) -> Table:
    """Let only an erasure change the customer of a row: add the trigger to the table's DDL, and return the table."""
    return _with(table, KEEP_CUSTOMER, KEEPING_CUSTOMER.format(table=table.name))


def keeping_erasures(table: Table) -> Table:
    """Let no erasure become that of another customer: add the trigger to the table's DDL, and return the table."""
    return _with(table, KEEP_ERASURE, KEEPING_ERASURE.format(table=table.name))


def kept_while_recent(table: Table, *, column: str) -> Table:
    """Let no row be deleted within 7 days of its instant: add the trigger to the table's DDL, and return the table."""
    name = f"keep_recent_{table.name}"
    return kept(table, name=name, condition=RECENT.format(column=column), said=f"{table.name} keeps a row for 7 days")


def kept(table: Table, *, name: str, condition: str, said: str) -> Table:
    """Let no row of the condition be deleted: add the trigger of that name to the table's DDL, and return the table.

    `said` is the beginning of the error.
    """
    function = KEEP_ROW.format(name=name, said=said)
    return _with(table, function, KEEPING_ROW.format(name=name, table=table.name, condition=condition))


def _with(table: Table, *statements: str) -> Table:
    for each in statements:
        # `%%` is how SQLAlchemy's DDL writes `%`.
        event.listen(table, "after_create", DDL(each.replace("%", "%%")))  # type: ignore[no-untyped-call]  # DDL has no types
    return table
