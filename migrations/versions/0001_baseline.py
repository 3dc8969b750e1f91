"""The whole schema at the first release, from the SQL file beside this one."""

import re
from pathlib import Path

from alembic import op

revision = "0001_baseline"
down_revision = None

SCHEMA = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
# A statement ends with a semicolon at the end of a line, and the next line is not indented: the body of a function is.
END_OF_STATEMENT = re.compile(r";\n(?![ ])")


def upgrade() -> None:
    connection = op.get_bind()
    for statement in END_OF_STATEMENT.split(SCHEMA):
        if statement.strip():
            # The driver reads a single percent sign as a placeholder.
            connection.exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    tables = re.findall(r"^CREATE TABLE (\w+)", SCHEMA, re.MULTILINE)
    functions = re.findall(r"^CREATE FUNCTION (\w+)", SCHEMA, re.MULTILINE)
    for table in reversed(tables):
        op.execute(f"DROP TABLE {table}")
    for function in functions:
        op.execute(f"DROP FUNCTION {function}")
