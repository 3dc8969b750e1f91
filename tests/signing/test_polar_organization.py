"""A key of another project has no right to the organization that Polar's requests leave out."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.signing.signing import Key, write_signers
from tests.support.environment import changed_environment
from worker.intake.proof import failure_by
from worker.signing.signers import SignersFile
from worker.signing.statement import claim_of
from worker.signing.verification import VerificationFailure

pytestmark = pytest.mark.usefixtures("environment")

FIELDS = {"task": "polar.discounts.delete", "id": "task-1"}


def verdict(folder: Path, request: dict[str, Any], *projects: str) -> VerificationFailure | None:
    """Return the verdict on a request of Polar's that is signed by a key of these projects."""
    key = Key("polar-1", projects=list(projects), tasks=["polar.*"])
    kwargs = {"request": request}
    body = json.dumps([[], kwargs, {}]).encode()
    header = key.header(fields=FIELDS, queue="admin", body=body)
    claim = claim_of(
        headers={**FIELDS, "scrip-signature": header}, fields=FIELDS, queue="admin", body=body, encoding="utf-8"
    )
    signers = SignersFile(str(write_signers(folder / "signers.json", key))).current()
    return failure_by(claim, kwargs=kwargs, signers=signers)


@pytest.mark.parametrize("request_", [{}, {"organization_id": None}, {"project": "theirs"}, {"aid": "theirs"}])
def test_a_request_without_an_organization_needs_the_right_for_the_usual_one(
    tmp_path: Path, request_: dict[str, Any]
) -> None:
    """Whatever else it names. The key of the organization has that right."""
    with changed_environment(SCRIP_POLAR_ORGANIZATION="ours"):
        assert verdict(tmp_path, request_, "theirs") is VerificationFailure.PROJECT_NOT_ALLOWED
        assert verdict(tmp_path, request_, "theirs", "ours") is None


def test_a_named_organization_needs_no_right_for_the_usual_one(tmp_path: Path) -> None:
    """It is not concerned."""
    with changed_environment(SCRIP_POLAR_ORGANIZATION="ours"):
        assert verdict(tmp_path, {"organization_id": "theirs"}, "theirs") is None
