"""Lists as parameters: PostgreSQL receives every element as it was sent."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import ARRAY, BigInteger, Boolean, Date, Text, Uuid, bindparam, select
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.exc import StatementError

from models.base import Instant
from worker.database import transaction

TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)
SYNTAX = st.text('\\"{},\n NUL', max_size=6)
OFFSETS = st.sampled_from([UTC, timezone(timedelta(hours=-9))])
INSTANTS = st.datetimes(datetime.fromisoformat("1970-01-01"), datetime.fromisoformat("2999-01-01"), timezones=OFFSETS)
COLUMNS = {
    "texts": (Text(), TEXTS | SYNTAX),
    "truths": (Boolean(), st.booleans()),
    "numbers": (BigInteger(), st.integers(-(2**63), 2**63 - 1)),
    "identities": (Uuid(), st.uuids()),
    "days": (Date(), st.dates(date(1, 1, 1), date(9999, 12, 31))),
    "instants": (Instant, INSTANTS),
}


def arrived(type_, values):
    """Return the list that PostgreSQL has received."""
    with transaction() as session:
        return session.execute(select(bindparam("values", values, type_=ARRAY(type_)))).scalar_one()


@pytest.mark.slow
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("name", COLUMNS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_every_element_arrives_as_it_was_sent(name, data):
    """The elements include quotes, backslashes, braces, commas, line breaks, empty texts and NULL."""
    type_, elements = COLUMNS[name]
    values = data.draw(st.lists(st.none() | elements, max_size=6))
    assert arrived(type_, values) == values


@pytest.mark.usefixtures("database")
def test_bytes_travel_as_the_text_of_a_bytea():
    """Fingerprints are bytes."""
    with transaction() as session:
        texts = bindparam("values", [b"\x00\xff\\", None, b""], type_=ARRAY(Text()))
        assert session.execute(select(texts.cast(ARRAY(BYTEA)))).scalar_one() == [b"\x00\xff\\", None, b""]


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("values", [["a", 1], [object()]])
def test_a_list_of_mixed_or_unknown_types_is_not_guessed_at(values):
    """Each column of a batch has one type, so such a list is a bug."""
    with pytest.raises((StatementError, TypeError, KeyError)):
        arrived(Text(), values)
