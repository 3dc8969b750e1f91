"""Who did what: the history of vouchers, the ends in the history of discounts, and the actor of each reversal."""

from alembic import op

revision = "0013"
down_revision = "0012"

KINDS_BEFORE = "'moved', 'extended'"
# Every change has a UUIDv7 of its instant, to the microsecond.
ID = """
    encode(
        substring(int8send(floor(extract(epoch FROM {at}) * 1000)::bigint) FROM 3)
        || int2send((28672 + extract(microseconds FROM {at})::bigint % 1000 * 4096 / 1000)::int2)
        || substring(uuid_send(gen_random_uuid()) FROM 9),
        'hex'
    )::uuid
"""
# The changes that the rows of earlier releases tell. They do not tell who made them, nor what an update changed.
TOLD = {
    "created": "SELECT project, id AS voucher_id, created_at AS at FROM vouchers",
    "retired": """
        SELECT project, id AS voucher_id, retired_at AS at FROM vouchers WHERE retired_reason = 'manualAction'
    """,
    "updated": "SELECT project, id AS voucher_id, updated_at AS at FROM vouchers WHERE updated_at IS NOT NULL",
    "codes_added": """
        SELECT project, voucher_id, created_at AS at, count(*) AS codes FROM codes
        WHERE NOT is_primary AND generation_id IS NULL GROUP BY project, voucher_id, created_at
    """,
    "codes_generated": """
        SELECT project, voucher_id, created_at AS at, count AS codes, id AS generation_id FROM code_generations
    """,
    "code_retired": """
        SELECT project, voucher_id, retired_at AS at, id AS code_id FROM codes
        WHERE retired_reason = 'manualAction' AND NOT is_primary
    """,
}
OPTIONAL = ("codes", "generation_id", "code_id")


def upgrade() -> None:
    add_voucher_changes()
    for kind, rows in TOLD.items():
        columns = ["project", "voucher_id", *(name for name in OPTIONAL if f"AS {name}" in rows)]
        op.execute(f"""
            INSERT INTO voucher_changes (id, kind, created_at, {", ".join(columns)})
            SELECT {ID.format(at="at")}, '{kind}', at, {", ".join(columns)} FROM ({rows}) AS told
        """)  # noqa: S608 - the constants above
    op.execute("ALTER TABLE discount_changes ALTER COLUMN actor DROP NOT NULL")
    check_kinds(f"{KINDS_BEFORE}, 'ended'")
    without_trigger("UPDATE discount_changes SET actor = NULL WHERE actor = ''")
    op.execute("""
        INSERT INTO discount_changes (project, discount_id, number, kind, created_at)
        SELECT project, id, 1 + coalesce((
                   SELECT max(number) FROM discount_changes c WHERE c.project = d.project AND c.discount_id = d.id
               ), 0), 'ended', ended_at
        FROM discounts d WHERE status = 'ended'
    """)
    op.execute("""
        CREATE UNIQUE INDEX uq_discount_changes_ended ON discount_changes (project, discount_id) WHERE kind = 'ended'
    """)
    op.execute("ALTER TABLE invoice_reversals ADD COLUMN actor text")
    op.execute("""
        ALTER TABLE invoice_reversals
        ADD CONSTRAINT ck_invoice_reversals_actor_unless_credit CHECK (actor IS NULL OR credited_by IS NULL)
    """)


def downgrade() -> None:
    op.drop_column("invoice_reversals", "actor")
    op.execute("DROP INDEX uq_discount_changes_ended")
    without_trigger("DELETE FROM discount_changes WHERE kind = 'ended'")
    # No caller can send an empty actor, so the way up turns it into null again.
    without_trigger("UPDATE discount_changes SET actor = '' WHERE actor IS NULL")
    check_kinds(KINDS_BEFORE)
    op.execute("ALTER TABLE discount_changes ALTER COLUMN actor SET NOT NULL")
    op.drop_table("voucher_changes")


def add_voucher_changes() -> None:
    op.execute("""
        CREATE TABLE voucher_changes (
            project text NOT NULL,
            voucher_id uuid NOT NULL,
            id uuid NOT NULL,
            kind text NOT NULL,
            actor text,
            before json,
            after json,
            codes bigint,
            generation_id uuid,
            code_id uuid,
            created_at timestamptz NOT NULL,
            CONSTRAINT pk_voucher_changes PRIMARY KEY (project, voucher_id, id),
            CONSTRAINT fk_voucher_changes_project_voucher_id_vouchers FOREIGN KEY (project, voucher_id)
                REFERENCES vouchers (project, id) ON DELETE RESTRICT,
            CONSTRAINT fk_voucher_changes_project_generation_id_code_generations FOREIGN KEY (project, generation_id)
                REFERENCES code_generations (project, id) ON DELETE RESTRICT,
            CONSTRAINT fk_voucher_changes_project_code_id_codes FOREIGN KEY (project, code_id)
                REFERENCES codes (project, id) ON DELETE RESTRICT,
            CONSTRAINT ck_voucher_changes_kind_known CHECK (
                kind IN ('created', 'updated', 'codes_added', 'codes_generated', 'code_retired', 'retired')
            ),
            CONSTRAINT ck_voucher_changes_states_whole CHECK (num_nulls(before, after) IN (0, 2)),
            CONSTRAINT ck_voucher_changes_states_of_updates CHECK (before IS NULL OR kind = 'updated'),
            CONSTRAINT ck_voucher_changes_codes_counted CHECK (
                (kind IN ('codes_added', 'codes_generated')) = (codes IS NOT NULL)
            ),
            CONSTRAINT ck_voucher_changes_codes_positive CHECK (codes >= 1),
            CONSTRAINT ck_voucher_changes_generation_named CHECK (
                (kind = 'codes_generated') = (generation_id IS NOT NULL)
            ),
            CONSTRAINT ck_voucher_changes_code_named CHECK ((kind = 'code_retired') = (code_id IS NOT NULL))
        )
    """)
    op.execute("ALTER TABLE voucher_changes ALTER COLUMN project SET STATISTICS 0")
    op.execute("""
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON voucher_changes
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """)
    op.execute("""
        CREATE UNIQUE INDEX uq_voucher_changes_once ON voucher_changes (project, voucher_id, kind)
        WHERE kind IN ('created', 'retired')
    """)


def check_kinds(kinds: str) -> None:
    op.execute("ALTER TABLE discount_changes DROP CONSTRAINT ck_discount_changes_kind_known")
    op.execute(f"""
        ALTER TABLE discount_changes ADD CONSTRAINT ck_discount_changes_kind_known CHECK (kind IN ({kinds}))
    """)


def without_trigger(statement: str) -> None:
    op.execute("ALTER TABLE discount_changes DISABLE TRIGGER append_only")
    op.execute(statement)
    op.execute("ALTER TABLE discount_changes ENABLE TRIGGER append_only")
