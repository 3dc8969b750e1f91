"""The query plans of `support.explain`: index scans that read no more rows than the answer needs."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks.support.explain import explain_subject
from tasks.support.messages import Explain
from tests.redemptions.test_list_plans import (
    CODE,
    INSERT,
    INSERT_HOLDS,
    KNOWN,
    MANY,
    assert_index_scans,
    rows_read,
)
from tests.support.administrator import administrators_engine
from tests.support.requests import apply, create_voucher
from tests.vouchers.query_plans import explained_as_json

pytestmark = pytest.mark.usefixtures("database")

SHOWN = 20
SUBJECTS = ({"customer": "cus_1"}, {"subscription": "sub_1"}, {"invoice": "inv_1"})
TABLES = ("codes", "vouchers", "discounts", "redemptions", "holds")


@pytest.fixture(autouse=True)
def _as_small_as_before() -> Iterator[None]:
    """Make the indexes anew, which the many rows have made deeper, because the plans of other tests depend on it."""
    yield
    with administrators_engine().begin() as connection:
        for table in TABLES:
            connection.execute(text(f"REINDEX TABLE {table}"))


@pytest.mark.slow
@pytest.mark.parametrize("percent", [1, 99])
def test_an_explanation_reads_a_page_of_each_list(percent):
    """Of a customer with 20,000 requests and as many holds, with and without statistics."""
    create_voucher()
    apply(invoice="inv_1")
    with Session(administrators_engine()) as session:
        for statement in (*INSERT, INSERT_HOLDS):
            session.execute(statement, {"many": MANY, "percent": percent, "code": CODE})
        for know in KNOWN:
            session.execute(know)
            for subject in SUBJECTS:
                with explained_as_json(session) as plans:
                    answer = explain_subject(session, Explain.model_validate({"project": "gigs", **subject}))
                assert_index_scans(plans, subject)
                assert len(answer["requests"]) == len(answer["holds"]) == SHOWN
                owners = 2 if "invoice" in subject else 1
                # A page and a row more of each outcome of which there are rows, and the redemptions of discounts.
                assert rows_read(plans, "redemptions") <= owners * 6 * (SHOWN + 1), subject
                assert rows_read(plans, "holds") <= owners * 5 * (SHOWN + 1), subject
                # Those of redemptions, of three statuses, and the rows of the page themselves.
                assert rows_read(plans, "discounts") <= owners * 7 * (SHOWN + 1), subject
        session.rollback()
