"""References that are checked once for a statement, and one index for a subscription's discounts instead of two."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

# The table and its column, what it refers to, and the name that its foreign key had.
REFERENCES = (
    ("redemptions", "voucher_id", "vouchers", "id", "fk_redemptions_project_voucher_id_vouchers"),
    ("usage_entries", "invoice", "invoice_discounts", "invoice", "fk_usage_entries_project_invoice_invoice_discounts"),
    ("usage_entries", "discount_id", "discounts", "id", "fk_usage_entries_project_discount_id_discounts"),
)
CHECKED_BY_STATEMENT = (
    """
    CREATE OR REPLACE FUNCTION check_{name}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM added WHERE added.{column} IS NOT NULL AND (
                SELECT {target}.{key} FROM {target}
                WHERE {target}.project = added.project AND {target}.{key} = added.{column}
            ) IS NULL
        ) THEN
            RAISE EXCEPTION '{table} must refer to a row of {target} that is there'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = '{name}', TABLE = '{table}';
        END IF;
        RETURN NULL;
    END $$
""",
    """
    CREATE OR REPLACE FUNCTION keep_{name}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF (NEW.project, NEW.{key}) IS DISTINCT FROM (OLD.project, OLD.{key})
           AND (current_setting('transaction_isolation') <> 'read committed'
                OR EXISTS (SELECT FROM {table} WHERE project = OLD.project AND {column} = OLD.{key})) THEN
            RAISE EXCEPTION '{target} must keep a row that {table} may refer to'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = '{name}', TABLE = '{table}';
        END IF;
        RETURN NULL;
    END $$
""",
    """
    CREATE TRIGGER {name}_inserted AFTER INSERT ON {table} REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_{name}()
""",
    """
    CREATE TRIGGER {name}_updated AFTER UPDATE ON {table} REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_{name}()
""",
    """
    CREATE TRIGGER {name} AFTER DELETE OR UPDATE OF project, {key} ON {target}
    FOR EACH ROW EXECUTE FUNCTION keep_{name}()
""",
)
PROJECT = sa.text('project COLLATE "C"')
RUNNING = "status = 'running'"


def upgrade() -> None:
    for table, column, target, key, foreign_key in REFERENCES:
        op.drop_constraint(foreign_key, table)
        for statement in CHECKED_BY_STATEMENT:
            name = f"fk_{table}_{column}"
            op.execute(statement.format(name=name, table=table, column=column, target=target, key=key))
    op.drop_index("uq_discounts_running", "discounts")
    op.drop_index("ix_discounts_subscription", "discounts")
    op.drop_index("ix_discounts_over", "discounts")
    op.create_index(
        "uq_discounts_running",
        "discounts",
        [
            "subscription",
            sa.text('project COLLATE "POSIX"'),
            sa.text("(CASE WHEN status <> 'running' THEN id END)"),
            "voucher_id",
        ],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_index(
        "ix_discounts_over", "discounts", ["ends_on"], postgresql_where=sa.text(f"{RUNNING} AND ends_on IS NOT NULL")
    )
    op.drop_index("ix_redemptions_customer", "redemptions")
    op.create_index(
        "ix_redemptions_customer",
        "redemptions",
        ["voucher_id", PROJECT, "customer"],
        postgresql_where=sa.text("reason IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_redemptions_customer", "redemptions")
    op.create_index(
        "ix_redemptions_customer",
        "redemptions",
        ["project", "voucher_id", "customer"],
        postgresql_where=sa.text("reason IS NULL"),
    )
    op.drop_index("ix_discounts_over", "discounts")
    op.drop_index("uq_discounts_running", "discounts")
    op.create_index("ix_discounts_over", "discounts", ["ends_on"], postgresql_where=sa.text(RUNNING))
    op.create_index("ix_discounts_subscription", "discounts", ["subscription", "project"])
    op.create_index(
        "uq_discounts_running",
        "discounts",
        ["project", "subscription", "voucher_id"],
        unique=True,
        postgresql_where=sa.text(RUNNING),
    )
    for table, column, target, key, foreign_key in REFERENCES:
        name = f"fk_{table}_{column}"
        op.execute(f"DROP TRIGGER {name}_inserted ON {table}")
        op.execute(f"DROP TRIGGER {name}_updated ON {table}")
        op.execute(f"DROP TRIGGER {name} ON {target}")
        op.execute(f"DROP FUNCTION check_{name}()")
        op.execute(f"DROP FUNCTION keep_{name}()")
        op.create_foreign_key(foreign_key, table, target, ["project", column], ["project", key], ondelete="RESTRICT")
