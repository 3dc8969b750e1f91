"""A table's constraints as changes of a valid row: each change breaks one constraint, and no other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import NamedTuple

from domain.value_class import value
from models.base import Base

# The changes of a copied row: an SQL expression for each changed column. The expression may use the copied row.
Change = Mapping[str, str]

NEW = "gen_random_uuid()"
NULL = "NULL"


class Breach(NamedTuple):
    """A copied row that breaks a constraint of a table, or leaves out a required column."""

    table: "Table"
    # The name of the constraint, of the unique index, or of the required column.
    broken: str
    change: Change

    def __repr__(self) -> str:
        changed = ", ".join(f"{column} = {expression}" for column, expression in self.change.items())
        return f"{self.broken}: {changed}" if self.broken in self.table.refused else f"{self.table.name}.{self.broken}"

    def dropping(self, *, broken: str) -> Sequence[str]:
        """Return the statements that drop what the row breaks, or something else of its table."""
        alter = f"ALTER TABLE {self.table.name}"
        if broken in self.table.required:
            return [f"{alter} ALTER COLUMN {broken} DROP NOT NULL"]
        # The foreign keys that need a key are dropped with it.
        return [f"{alter} DROP CONSTRAINT IF EXISTS {broken} CASCADE", f"DROP INDEX IF EXISTS {broken}"]


@value
class Table:
    """A table, the row that is copied, and what the table refuses."""

    name: str
    # Which row is copied, made by a task: a condition in SQL.
    row: str
    # The changes that make a valid row of its own of the copy.
    fresh: Change
    # For each constraint and unique index, the changes of the copy that break it.
    refused: Mapping[str, Sequence[Change]]
    # The columns that are NOT NULL, without those of the primary key.
    required: Sequence[str] = ()
    # For a required column, the further changes without which a row would break a constraint too.
    left_out_with: Mapping[str, Change] = field(default_factory=dict)
    # For a constraint or a required column, the constraints that each such row breaks too. They are dropped first.
    besides: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def copied(self, change: Change = {}) -> str:  # noqa: B006 - a Mapping is never changed
        """Return the statement that copies the row, with the key of the copy as its result."""
        columns = {each.name: each.name for each in Base.metadata.tables[self.name].c if each.computed is None}
        values = {**columns, **self.fresh, **change}
        key = ", ".join(each.name for each in Base.metadata.tables[self.name].primary_key)
        return (
            f"INSERT INTO {self.name} ({', '.join(values)}) "  # noqa: S608 - our own tables and expressions
            f"SELECT {', '.join(values.values())} FROM {self.name} WHERE {self.row} LIMIT 1 RETURNING {key}"
        )

    def breaches(self) -> Iterator[Breach]:
        """Yield each breach of a constraint."""
        for constraint, changes in self.refused.items():
            yield from (Breach(self, constraint, change) for change in changes)

    def left_out(self) -> Iterator[Breach]:
        """Yield a row without each required column."""
        for column in self.required:
            yield Breach(self, column, {column: NULL, **self.left_out_with.get(column, {})})
