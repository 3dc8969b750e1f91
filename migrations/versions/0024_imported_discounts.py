"""Discounts that ran in another system: what they did there, and the imported places of their vouchers."""

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.execute("ALTER TABLE vouchers ADD COLUMN imported_matched bigint DEFAULT 0 NOT NULL")
    op.execute("""
        ALTER TABLE vouchers
        ADD CONSTRAINT ck_vouchers_matched_within_imported CHECK (imported_matched BETWEEN 0 AND imported_redemptions)
    """)
    op.execute("ALTER TABLE discounts ADD COLUMN is_imported boolean DEFAULT false NOT NULL")
    op.execute("""
        CREATE TABLE imported_discounts (
            project text NOT NULL,
            discount_id uuid NOT NULL,
            ref text NOT NULL,
            actor text,
            subscription text NOT NULL,
            cycles integer NOT NULL,
            first_cycle_start date,
            last_cycle_start date,
            last_cycle_end date,
            taken_minor jsonb NOT NULL,
            status text NOT NULL,
            ends_on date,
            created_at timestamptz NOT NULL,
            CONSTRAINT pk_imported_discounts PRIMARY KEY (project, discount_id),
            CONSTRAINT fk_imported_discounts_project_discount_id_discounts FOREIGN KEY (project, discount_id)
                REFERENCES discounts (project, id) ON DELETE RESTRICT,
            CONSTRAINT ck_imported_discounts_cycles_not_negative CHECK (cycles >= 0),
            CONSTRAINT ck_imported_discounts_cycles_with_dates CHECK (
                num_nonnulls(first_cycle_start, last_cycle_start, last_cycle_end)
                = CASE WHEN cycles > 0 THEN 3 ELSE 0 END
            ),
            CONSTRAINT ck_imported_discounts_one_cycle_if_the_same CHECK (
                (cycles = 1) = (first_cycle_start = last_cycle_start)
            ),
            CONSTRAINT ck_imported_discounts_cycles_in_order CHECK (first_cycle_start <= last_cycle_start),
            CONSTRAINT ck_imported_discounts_last_cycle_not_empty CHECK (last_cycle_start < last_cycle_end),
            CONSTRAINT ck_imported_discounts_taken_by_currency CHECK (jsonb_typeof(taken_minor) = 'object'),
            CONSTRAINT ck_imported_discounts_status_known CHECK (status IN ('running', 'completed'))
        )
    """)
    op.execute("ALTER TABLE imported_discounts ALTER COLUMN project SET STATISTICS 0")
    op.execute("CREATE UNIQUE INDEX uq_imported_discounts_ref ON imported_discounts (project, ref)")
    op.execute("""
        CREATE INDEX ix_imported_discounts_created_at ON imported_discounts USING brin (created_at)
        WITH (autosummarize = true)
    """)
    op.execute("""
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON imported_discounts
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """)
    op.execute("""
        CREATE TRIGGER append_only_but_erasure BEFORE UPDATE ON imported_discounts
        FOR EACH ROW EXECUTE FUNCTION allow_erasure()
    """)


def downgrade() -> None:
    # The earlier release would give the amounts of elsewhere again, and the places would be taken a second time.
    op.execute("""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM imported_discounts) THEN
                RAISE EXCEPTION 'a discount was imported, which the earlier release does not know';
            END IF;
        END $$
    """)
    op.drop_table("imported_discounts")
    op.drop_column("discounts", "is_imported")
    op.drop_column("vouchers", "imported_matched")
