"""The history of discounts that were moved or extended, and the discount that a refusal names."""

from alembic import op

revision = "0006"
down_revision = "0005"

REFUSALS = ("redemptions", "holds")


def upgrade() -> None:
    op.execute("""
        CREATE TABLE discount_changes (
            project text NOT NULL,
            discount_id uuid NOT NULL,
            number integer NOT NULL,
            kind text NOT NULL,
            actor text NOT NULL,
            note text,
            from_subscription text,
            to_subscription text,
            from_duration integer,
            to_duration integer,
            created_at timestamptz NOT NULL,
            CONSTRAINT pk_discount_changes PRIMARY KEY (project, discount_id, number),
            CONSTRAINT fk_discount_changes_project_discount_id_discounts FOREIGN KEY (project, discount_id)
                REFERENCES discounts (project, id) ON DELETE RESTRICT,
            CONSTRAINT ck_discount_changes_kind_known CHECK (kind IN ('moved', 'extended')),
            CONSTRAINT ck_discount_changes_moved_has_subscriptions CHECK (
                num_nonnulls(from_subscription, to_subscription) = CASE kind WHEN 'moved' THEN 2 ELSE 0 END
            ),
            CONSTRAINT ck_discount_changes_moved_elsewhere CHECK (from_subscription <> to_subscription),
            CONSTRAINT ck_discount_changes_extended_has_durations CHECK (
                num_nonnulls(from_duration, to_duration) = CASE kind WHEN 'extended' THEN 2 ELSE 0 END
            ),
            CONSTRAINT ck_discount_changes_extended_longer CHECK (from_duration < to_duration)
        )
    """)
    op.execute("ALTER TABLE discount_changes ALTER COLUMN project SET STATISTICS 0")
    op.execute("""
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON discount_changes
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """)
    for table in REFUSALS:
        op.execute(f"""
            ALTER TABLE {table}
            ADD COLUMN other_discount_id uuid,
            ADD CONSTRAINT ck_{table}_refused_has_other_discount
                CHECK (other_discount_id IS NULL OR reason IS NOT NULL)
        """)


def downgrade() -> None:
    for table in REFUSALS:
        op.drop_column(table, "other_discount_id")
    op.drop_table("discount_changes")
