"""Reserve a place: the answer, the limits that a hold counts against, and the first answer to a repeated request."""

from datetime import datetime, timedelta

import pytest

from tasks.redemptions.messages import Reserve
from tasks.redemptions.reserve import reserve_all
from tasks.wire.errors import InvalidRequest, NotFound
from tests.redemptions.outcomes import ACCEPTED, FULLY_RESERVED, LAST_PLACE, outcome, retire, update
from tests.support.holds import confirm, reference, release, reserve, stored, voucher_held
from tests.support.requests import add_codes, create_voucher, redeem, redemption
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


def test_a_hold_is_answered_with_its_end():
    """The end is 15 minutes after the decision by default, and at most 7 days."""
    voucher = create_voucher(code="SUMMER")
    for ttl, seconds in (({}, 900), ({"ttl": 1}, 1), ({"ttl": 604_800}, 604_800)):
        answer = reserve(code="summer", requestId=f"order-{seconds}", customer="cus_1", subscription="sub_1", **ttl)
        held_for = datetime.fromisoformat(answer["expiresAt"]) - datetime.fromisoformat(answer["decidedAt"])
        assert held_for == timedelta(seconds=seconds)
    assert answer == {
        "object": "hold",
        "id": answer["id"],
        "project": "gigs",
        "requestId": "order-604800",
        "outcome": "accepted",
        "reason": None,
        "retryable": False,
        "voucher": voucher["id"],
        "code": "SUMMER",
        "customer": "cus_1",
        "subscription": "sub_1",
        "discount": None,
        "status": "open",
        "expiresAt": answer["expiresAt"],
        "decidedAt": answer["decidedAt"],
    }
    assert answer["id"].startswith("hol_")


@pytest.mark.parametrize("ttl", [0, -1, 604_801, "900", 1.5, True])
def test_a_ttl_out_of_range_is_invalid(ttl):
    """Nothing is written."""
    create_voucher(code="SUMMER")
    with pytest.raises(InvalidRequest) as error:
        reserve(code="SUMMER", ttl=ttl, customer="")
    assert {each["field"] for each in error.value.errors} == {"ttl", "customer"}
    assert stored() == []


def test_a_hold_counts_against_the_limit_of_its_voucher():
    """Other requests are refused with `fully_reserved`, which can be retried."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 2})
    hold = reserve(voucher=voucher["id"])
    assert outcome(redeem(voucher=voucher["id"])) == ACCEPTED
    refused = redeem(voucher=voucher["id"])
    assert (refused["reason"], refused["retryable"], refused["id"]) == ("fully_reserved", True, None)
    refused = reserve(voucher=voucher["id"])
    assert (refused["reason"], refused["retryable"], refused["id"]) == ("fully_reserved", True, None)
    assert confirm(hold)["redemptionNumber"] == 2
    for full in (redeem(voucher=voucher["id"]), reserve(voucher=voucher["id"])):
        assert outcome(full) == ("refused", "max_redemptions_reached")
        assert full["retryable"] is False


def test_every_answer_says_whether_it_is_retryable_and_no_other_reason_is():
    """Accepted, refused, retrieved, repeated, in a bulk, in conflict, confirmed and released."""
    voucher = create_voucher()["id"]
    request = redemption(voucher=voucher)
    accepted = task_named("redemptions.redeem")(request=request)
    key = {"project": request["project"], "requestId": request["requestId"]}
    many = task_named("redemptions.redeem_many")(request={"requests": [request, redemption(code="UNKNOWN")]})
    confirmed, released = reserve(voucher=voucher, subscription="sub_2"), reserve(voucher=voucher, subscription="sub_3")
    release(released)
    answers = [
        accepted,
        *many["items"],
        redeem(code="UNKNOWN"),
        reserve(code="UNKNOWN"),
        task_named("redemptions.retrieve")(request=key),
        task_named("redemptions.redeem")(request={**request, "customer": "cus_2"}),
        confirm(confirmed),
        confirm(released),
    ]
    assert [each["retryable"] for each in answers] == [False] * len(answers)
    assert {each["reason"] for each in answers} == {None, "voucher_not_found", "idempotency_conflict", "hold_released"}


def test_a_retryable_refusal_is_not_stored():
    """The same id can be sent again until a place is free. Then the answer is final."""
    voucher = create_voucher(**LAST_PLACE)
    hold = reserve(voucher=voucher["id"])
    bodies = [redemption(voucher=voucher["id"]) for _ in range(2)]
    assert outcome(task_named("redemptions.redeem")(request=bodies[0])) == FULLY_RESERVED
    assert outcome(task_named("redemptions.reserve")(request=bodies[1])) == FULLY_RESERVED
    with pytest.raises(NotFound):
        task_named("redemptions.retrieve")(request={"project": "gigs", "requestId": bodies[0]["requestId"]})
    release(hold)
    second = task_named("redemptions.reserve")(request=bodies[1])
    assert outcome(second) == ACCEPTED
    assert outcome(task_named("redemptions.redeem")(request=bodies[0])) == FULLY_RESERVED
    release(second)
    first = task_named("redemptions.redeem")(request=bodies[0])
    assert outcome(first) == ACCEPTED
    assert task_named("redemptions.redeem")(request=bodies[0]) == first
    assert task_named("redemptions.reserve")(request=bodies[1]) == second


def test_a_refusal_is_retryable_only_if_nothing_else_stands_against_the_request():
    """Other requests would be refused even if a place became free."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1, "products": ["prod_a"]})
    reserve(voucher=voucher["id"], products=["prod_a"])
    assert redeem(voucher=voucher["id"])["reason"] == "product_not_eligible"
    assert redeem(voucher=voucher["id"], products=["prod_a"])["reason"] == "fully_reserved"


def test_a_hold_counts_against_the_limit_of_its_code():
    """Not against the limit of another code, nor against requests that name the voucher."""
    voucher = create_voucher()
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1}, {"code": "TWO", "maximumRedemptions": 2})
    reserve(voucher=voucher["id"])
    hold = reserve(code="ONE")
    assert outcome(redeem(code="ONE")) == FULLY_RESERVED
    assert outcome(reserve(code="ONE")) == FULLY_RESERVED
    assert outcome(reserve(code="TWO")) == ACCEPTED
    assert outcome(redeem(code="TWO")) == ACCEPTED
    assert outcome(redeem(code="TWO")) == FULLY_RESERVED
    assert outcome(redeem(voucher=voucher["id"])) == ACCEPTED
    assert outcome(confirm(hold)) == ACCEPTED
    assert redeem(code="ONE")["reason"] == "code_max_redemptions_reached"


def test_a_subscription_that_is_held_by_another_customer_is_reserved():
    """A voucher runs at most once on a subscription."""
    voucher = create_voucher()
    hold = reserve(voucher=voucher["id"], subscription="sub_1")
    assert outcome(redeem(voucher=voucher["id"], subscription="sub_1")) == FULLY_RESERVED
    assert outcome(reserve(voucher=voucher["id"], subscription="sub_1")) == FULLY_RESERVED
    assert outcome(redeem(voucher=create_voucher()["id"], subscription="sub_1")) == ACCEPTED
    confirm(hold)
    assert redeem(voucher=voucher["id"], subscription="sub_1")["reason"] == "already_applied"


def test_the_same_request_holds_one_place():
    """A repeated request gets the first answer, also after the release. Another body is a conflict."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 2})
    body = redemption(voucher=voucher["id"])
    first = task_named("redemptions.reserve")(request=body)
    assert (
        task_named("redemptions.reserve")(request=body)
        == task_named("redemptions.reserve")(request={**body, "ttl": 900})
        == first
    )
    assert voucher_held() == 1
    for other in ({**body, "ttl": 901}, {**body, "customer": "cus_other"}):
        answer = task_named("redemptions.reserve")(request=other)
        assert (answer["reason"], answer["id"], answer["status"]) == ("idempotency_conflict", None, "refused")
    release(first)
    assert task_named("redemptions.reserve")(request=body) == first
    assert voucher_held() == 0


def test_a_refused_request_is_answered_the_same_for_ever():
    """As for redemptions, a later change of the voucher does not change the answer."""
    voucher = create_voucher(restrictions={"products": ["prod_a"]})
    body = redemption(voucher=voucher["id"])
    answer = task_named("redemptions.reserve")(request=body)
    assert answer["reason"] == "product_not_eligible"
    update(voucher, restrictions={"products": None})
    assert task_named("redemptions.reserve")(request=body) == answer


def test_the_request_id_of_a_redemption_cannot_be_used_for_a_hold():
    """The redemption would be the answer to every confirmation."""
    voucher = create_voucher()
    body = redemption(voucher=voucher["id"])
    task_named("redemptions.redeem")(request=body)
    assert task_named("redemptions.reserve")(request=body)["reason"] == "idempotency_conflict"
    assert stored() == []


def test_a_batch_counts_the_places_that_it_has_held_itself():
    """In the order sent, also if an id repeats."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 3, "maximumRedemptionsPerCustomer": 1})
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    who = {"customer": "cus_1", "subscription": "sub_1"}
    bodies = [
        redemption(voucher=voucher["id"], **who),
        redemption(code="ONE"),
        redemption(code="ONE"),
        redemption(voucher=voucher["id"], **who),
        redemption(voucher=voucher["id"]),
        redemption(voucher=voucher["id"]),
    ]
    bodies.append(bodies[1])
    with transaction() as session:
        answers = reserve_all(session, [Reserve.model_validate(each) for each in bodies])
    assert [each["reason"] for each in answers] == [None, None, "fully_reserved", None, None, "fully_reserved", None]
    assert answers[6] == answers[1]
    assert stored() == ["replaced", "open", "open", "open"]
    assert voucher_held() == 3


def test_a_retired_voucher_is_not_held():
    """Only a hold that was open before the retirement is honoured."""
    voucher = create_voucher()
    retire(voucher)
    assert reserve(voucher=voucher["id"])["reason"] == "voucher_retired"


def test_a_stamp_card_is_not_held():
    """The entry that completes the card grants its voucher at once."""
    voucher = create_voucher(stampCard={"stamps": 2})
    assert reserve(voucher=voucher["id"])["reason"] == "stamp_card_incomplete"


def test_nothing_of_another_project_is_held():
    """Two projects use the same ids."""
    for project in ("gigs", "other"):
        voucher = create_voucher(project=project, **LAST_PLACE)
        hold = reserve(project=project, voucher=voucher["id"], requestId="r1", subscription="sub_1", customer="cus_1")
        assert outcome(hold) == ACCEPTED
    assert reference(hold)["project"] == "other"
