"""Read what has no rows in a table, beside a twin that has them: the answers are those without the twin."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from tasks.wire.errors import Undecided
from tests.projects.calls import Answer, Call, Story, answer_alone
from tests.projects.copied_rows import COLUMNS, COPY, NAMES, TABLES, forget_copies
from tests.projects.playing import Told, play
from tests.projects.test_stories import TOLD
from tests.projects.twins import PROJECTS
from tests.support.database_between_tests import separate_engine

pytestmark = [pytest.mark.usefixtures("database", "impatience", "without_rests")]

READS = ("list", "retrieve", "history", "explain", "preview", "forecast", "discounts", "usages")
# Their rows are joined with those of the others. Without those of all the others at once, each is still read.
JOINED = ["vouchers", "redemptions", "discounts", "invoice_discounts", "usage_entries"]
TAKEN_AWAY = [*([each] for each in JOINED), [each for each in TABLES if each not in JOINED]]
# The instant of a validation.
NOW = re.compile("'decidedAt': '[^']*'")
OF_OWN = "WHERE project = ANY (:own)"


def reads_of(told: Sequence[Told]) -> Iterator[Call]:
    """Yield each request of a story that only reads, and the pages of usages around each of their entries."""
    for call, answers in told:
        if call.task.rpartition(".")[2] in READS:
            yield from (Call(call.task, [each]) for each in call.requests)
        if call.task == "usages.list":
            for request, answer in zip(call.requests, answers, strict=True):
                yield from (Call(call.task, [each]) for each in positions(request, answer))


def positions(request: Answer, answer: Answer) -> Iterator[Answer]:
    """Yield the requests for the usages after each customer, and for those before each entry of a customer."""
    for item in answer["items"]:
        yield {**request, "startingAfter": item["id"]}
        for entry in item["usageRefs"]:
            yield {**request, "customer": item["customerId"], "refsBefore": entry["id"]}


def answered(calls: Sequence[Call]) -> list[str]:
    """Return the answer to each call, or the error. Rows that belong together are no longer all there."""
    answers = []
    for each in calls:
        try:
            answers.append(NOW.sub("", repr(answer_alone(each.task, each.requests[0]))))
        except Undecided as error:
            answers.append(repr(error))
    return answers


@contextmanager
def without_rows(tables: Sequence[str]) -> Iterator[None]:
    """Take the rows of tables away from the projects, but not from their twins."""
    columns = {each: ", ".join(["project", *(column.name for column in COLUMNS[each])]) for each in tables}
    run(*COPY)
    for table, names in columns.items():
        run(f"CREATE TEMP TABLE aside_{table} AS SELECT {names} FROM {table} {OF_OWN}", f"DELETE FROM {table} {OF_OWN}")  # noqa: S608 - our own tables
    yield
    for table, names in columns.items():
        # An unknown code that a preview tried is counted.
        run(
            f"DELETE FROM {table} {OF_OWN}",  # noqa: S608 - our own tables
            f"INSERT INTO {table} ({names}) SELECT {names} FROM aside_{table}",  # noqa: S608 - our own tables
            f"DROP TABLE aside_{table}",
        )


def run(*statements: str) -> None:
    """Run statements without triggers and foreign keys, on the one connection that has the temporary tables."""
    with separate_engine().connect() as connection:
        for each in statements:
            connection.execute(text(each), {**NAMES, "own": sorted(PROJECTS)})


@pytest.mark.slow
@pytest.mark.parametrize("story", TOLD)
def test_no_read_finds_rows_that_only_the_twin_has(story: Story) -> None:
    """Each of its answers is the same as without the twin."""
    calls = list(reads_of(play(story)))
    for tables in TAKEN_AWAY:
        with without_rows(tables):
            beside_twin = answered(calls)
            forget_copies()
            alone = answered(calls)
        for call, found, expected in zip(calls, beside_twin, alone, strict=True):
            assert found == expected, f"{call.task} finds the twin's rows of {tables}"
