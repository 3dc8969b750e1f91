"""Ledgers for the tests of the audit, in a database that is not audited after the test."""

import pytest

from tests.audit.ledgers import begin_with_each_row, begin_with_reversals


@pytest.fixture
def each_row(tampered_database: dict[str, str]) -> None:  # noqa: ARG001 - emptied before this
    """Add a row of each table that has to do with a redemption."""
    begin_with_each_row()


@pytest.fixture
def reversals(tampered_database: dict[str, str]) -> None:  # noqa: ARG001 - emptied before this
    """Add reversed invoices and a returned place."""
    begin_with_reversals()
