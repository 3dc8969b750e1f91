"""Bad requests, and the fields that their refusal names."""

import pytest
from sqlalchemy import func, select

from models.base import Base
from tasks.wire.errors import InvalidRequest
from worker.database import transaction

SECRET = "s3cr3t-value"


def fields_of(task, request) -> list[str]:
    """Send a bad request and return the fields that the refusal names. Nothing may be written, and no value told."""
    with pytest.raises(InvalidRequest) as refused:
        task(request=request)
    assert SECRET not in str(refused.value)
    assert all(set(error) == {"field", "message"} and error["message"] for error in refused.value.errors)
    with transaction() as session:
        for table in Base.metadata.sorted_tables:
            assert session.execute(select(func.count()).select_from(table)).scalar_one() == 0
    return [error["field"] for error in refused.value.errors]
