"""The sentences of explanations: one for each reason, kind and status of the contract.

A sentence has several wordings. The first whose figures are all known is used, and the last needs none. No wording
names an id or a code of the caller: they stand in the fields beside it.
"""

from collections.abc import Mapping
from string import Formatter

from domain.credit import CreditKind
from domain.eligibility import DISCOUNTS_PER_SUBSCRIPTION_MAX, Refusal
from domain.explanation import Absence, Finding, Place, Standing
from domain.hold import HoldStatus
from domain.invoice import Skip
from domain.notice import Notice
from domain.reversal import ReversalKind
from domain.terms import RecurrenceType

Wordings = tuple[str, ...]
Figures = Mapping[str, str]

ACCEPTED: Wordings = ("Accepted: this is redemption {number} of the voucher, and it granted a discount.", "Accepted.")
IMPORTED: Wordings = (
    "Redeemed in another system, and imported as redemption {number} of the voucher.",
    "Redeemed in another system.",
)
MOVABLE: Wordings = (
    "At that time, the customer had a discount of this voucher on another subscription, which could be moved.",
)
REFUSED: Mapping[Refusal, Wordings] = {
    Refusal.IDEMPOTENCY_CONFLICT: ("Refused: the request id was used before with another body.",),
    Refusal.TOO_MANY_ATTEMPTS: ("Refused for the moment: the customer had tried too many unknown codes.",),
    Refusal.VOUCHER_NOT_FOUND: ("Refused: there was no such voucher or code.",),
    Refusal.VOUCHER_RETIRED: (
        "Refused: the voucher was retired by hand on {voucher_retired_at}.",
        "Refused: the voucher had been retired by hand.",
    ),
    Refusal.CODE_RETIRED: (
        "Refused: the code was retired by hand on {code_retired_at}.",
        "Refused: the code had been retired by hand.",
    ),
    Refusal.VOUCHER_NOT_STARTED: (
        "Refused: the voucher can be redeemed only from {starts_at} on.",
        "Refused: the voucher could not be redeemed yet.",
    ),
    Refusal.VOUCHER_EXPIRED: ("Refused: the voucher expired on {expires_at}.", "Refused: the voucher had expired."),
    Refusal.CODE_EXPIRED: ("Refused: the code expired on {code_expires_at}.", "Refused: the code had expired."),
    Refusal.MAX_REDEMPTIONS_REACHED: (
        "Refused: the voucher can be redeemed {maximum} in all, and no redemption was left.",
        "Refused: all redemptions of the voucher were taken.",
    ),
    Refusal.CODE_MAX_REDEMPTIONS_REACHED: (
        "Refused: the code can be redeemed {code_maximum} in all, and no redemption was left.",
        "Refused: all redemptions of the code were taken.",
    ),
    Refusal.CODE_NOT_FOR_CUSTOMER: ("Refused: the code belongs to another customer.",),
    Refusal.CUSTOMER_LIMIT_REACHED: (
        "Refused: a customer can redeem the voucher {maximum_per_customer}, which this one had done before.",
        "Refused: the customer had redeemed the voucher as often as a customer can.",
    ),
    Refusal.CODE_CUSTOMER_LIMIT_REACHED: (
        "Refused: a customer can use the code {code_maximum_per_customer}, which this one had done before.",
        "Refused: the customer had used the code as often as a customer can.",
    ),
    Refusal.ALREADY_APPLIED: ("Refused: a discount of this voucher was running on the subscription already.",),
    Refusal.STAMP_CARD_INCOMPLETE: (
        "Refused: the voucher is granted only by a complete card of {stamps} stamps.",
        "Refused: the voucher is granted only by a complete stamp card.",
    ),
    Refusal.NOT_FIRST_PURCHASE: (
        "Refused: the voucher is for a first purchase, and the request did not say that it was one.",
    ),
    Refusal.PRODUCT_NOT_ELIGIBLE: ("Refused: the request had none of the products that the voucher is for.",),
    Refusal.CURRENCY_MISMATCH: (
        "Refused: the voucher is worth {worth}, and the request had no currency or another one.",
        "Refused: the voucher has no amount in the currency of the request, or the request had none.",
    ),
    Refusal.MINIMUM_SUBTOTAL_NOT_MET: (
        "Refused: the subtotal was not {minimum} or more, which the voucher needs.",
        "Refused: the request did not have the subtotal that the voucher needs.",
    ),
    Refusal.NOT_COMBINABLE: (
        "Refused: the voucher or one of the discounts on the subscription, running or held, is never with others.",
    ),
    Refusal.DISCOUNT_LIMIT_REACHED: (
        f"Refused: {DISCOUNTS_PER_SUBSCRIPTION_MAX} discounts were running on the subscription, which is the maximum.",
    ),
    Refusal.FULLY_RESERVED: ("Refused for the moment: all places that were left were held.",),
}
HELD: Mapping[HoldStatus, Wordings] = {
    HoldStatus.OPEN: (
        "A place is held until {hold_expires_at}. It was not redeemed yet, so there is no discount.",
        "A place is held. It was not redeemed yet, so there is no discount.",
    ),
    HoldStatus.CONFIRMED: ("The place that was held was redeemed.",),
    HoldStatus.RELEASED: ("The place that was held was released, so this request granted no discount.",),
    HoldStatus.REPLACED: ("Another request of the customer took the place that was held.",),
    HoldStatus.LAPSED: (
        "The place was held until {hold_expires_at} and not redeemed by then, so there is no discount.",
        "The place was not redeemed in time, so there is no discount.",
    ),
    HoldStatus.REFUSED: ("No place was held.",),
}
TERMS: Mapping[RecurrenceType, Wordings] = {
    RecurrenceType.ONCE: ("{worth} off a single invoice.", "Off a single invoice."),
    RecurrenceType.REPEATING: (
        "A balance of {balance_in_all}, for {duration}.",
        "A discount in phases: {phases}.",
        "{worth} off, for {duration}.",
        "For a limited time.",
    ),
    RecurrenceType.FOREVER: ("A balance of {balance_in_all}, for ever.", "{worth} off, for ever.", "For ever."),
}
PRODUCTS: Wordings = ("Only the products that it names are discounted.",)
EXCLUDED_PRODUCTS: Wordings = ("The products that it excludes are not discounted.",)
MINIMUM: Wordings = ("Its lines of an invoice must reach {minimum}.",)
EXCLUSIVE: Wordings = ("It is never together with another discount.",)
MAXIMUM: Wordings = ("At most {maximum_on_invoice} is taken off one invoice.",)
MAXIMUM_IN_ALL: Wordings = ("At most {maximum_in_all} is taken off in all.",)
ORIGIN: Wordings = (
    "It came from another system on {imported_at}, where it had discounted {cycles_elsewhere}.",
    "It came from another system on {imported_at}.",
    "It came from another system.",
)
STANDING: Mapping[Standing, Wordings] = {
    Standing.NOT_YET_BEGUN: (
        "All that it took off since {taken_since} was reversed. It begins anew with the next invoice that it reduces.",
        "It took nothing off so far. It begins with the first invoice of a cycle that ends after {starts_on}.",
        "It took nothing off so far.",
    ),
    Standing.RUNNING: (
        "It is running, with {balance_left} of the balance left, and the full price applies from {ends_on}.",
        "It is running, with {balance_left} of the balance left.",
        "It is running, with {maximum_left} of its maximum in all left, and the full price applies from {ends_on}.",
        "It is running, with {maximum_left} of its maximum in all left.",
        "It is running, and the full price applies from {ends_on}.",
        "It is running: {cycles} of {cycles_in_all} billing cycles were discounted.",
        "It is running, without an end.",
    ),
    Standing.COMPLETED: (
        "It is over: its balance of {balance_used_up} is used up.",
        "It is over: it has taken its maximum of {maximum_used_up} in all.",
        "It is over: the full price applies from {ends_on}.",
        "It is over.",
    ),
    Standing.NO_ROOM: ("It has something left, but no room to run. It still reduces later invoices.",),
    Standing.ENDED: ("It was ended on {ended_at}, on request.", "It was ended on request."),
}
PLACE: Mapping[Place, Wordings] = {
    Place.MOVED_HERE: ("It was moved to this subscription on {moved_at}.", "It was moved to this subscription."),
    Place.MOVED_AWAY: ("It was moved to another subscription on {moved_at}.", "It was moved to another subscription."),
}
# What was taken off an invoice.
TAKEN: Wordings = (
    "It took {rest_in_all} off the invoice, which was the rest of its maximum in all.",
    "It took {maximum_discount} off the invoice, which is its maximum on one invoice.",
    "It took {amount} off the invoice, not {fixed}: the cycle, the lines or a cap had no more left.",
    "It took {amount} off the invoice, in phase {phase}: {phase_worth}.",
    "It took {amount} off the invoice.",
)
GIVEN_BACK: Wordings = ("Of this, {returned} was reversed since.",)
SKIPPED: Mapping[Skip, Wordings] = {
    Skip.TRIAL: ("It took nothing off, because the invoice is for a trial.",),
    Skip.BEFORE_START: (
        "It took nothing off, because it covers only cycles that end after {starts_on}.",
        "It took nothing off, because the cycle of the invoice ended before the discount began.",
    ),
    Skip.PRODUCT_NOT_ELIGIBLE: (
        "It took nothing off, because no line of the invoice is for a product that it discounts.",
    ),
    Skip.CURRENCY_MISMATCH: (
        "It took nothing off, because it has no amount in {currency}, the currency of the invoice.",
        "It took nothing off, because it has no amount in the currency of the invoice.",
    ),
    Skip.MINIMUM_SUBTOTAL_NOT_MET: (
        "It took nothing off, because its lines of the invoice were not {minimum} or more, before discounts.",
        "It took nothing off, because its lines of the invoice did not reach its minimum.",
    ),
    Skip.NOT_COMBINABLE: ("It took nothing off, because it or the discount before it is never together with another.",),
    Skip.BUDGET_SPENT: (
        "It took nothing off, because nothing of the voucher's budget in {currency} was left.",
        "It took nothing off, because nothing of the voucher's budget was left.",
    ),
    Skip.NOTHING_LEFT: (
        "It took nothing off: its {fixed} was used in the same cycle, or the lines had nothing left.",
        "It took nothing off: the lines had nothing left, or the amount of a phase was used. Its phases: {phases}.",
        "It took nothing off: the lines or its maximum of {maximum_in_all} in all had too little left.",
        "It took nothing off: the lines had nothing left, or too little for a share of them.",
    ),
}
ABSENT: Mapping[Absence, Wordings] = {
    Absence.REDEEMED_LATER: (
        "It took nothing off, because it was redeemed on {granted_at}, after the invoice or at the same moment.",
        "It took nothing off, because it was redeemed after the invoice or at the same moment.",
    ),
    Absence.IMPORTED_LATER: (
        "It took nothing off, because it came from another system on {imported_at}, after the invoice.",
        "It took nothing off, because it came from another system after the invoice.",
    ),
    Absence.MOVED_AWAY: (
        "It took nothing off, because it was moved to another subscription on {moved_at}, before the invoice.",
        "It took nothing off, because it was moved to another subscription before the invoice.",
    ),
    Absence.MOVED_LATER: (
        "It took nothing off, because it was moved here on {moved_at}, after the invoice or at the same moment.",
        "It took nothing off, because it was moved here after the invoice or at the same moment.",
    ),
    Absence.OTHER_SUBSCRIPTION: ("It took nothing off, because it is on another subscription.",),
    Absence.ENDED: (
        "It took nothing off, because it was ended on {ended_at}, before the invoice.",
        "It took nothing off, because it was ended before the invoice.",
    ),
    Absence.ALREADY_APPLIED: (
        "It took nothing off, because another discount of the same voucher came first on the invoice.",
    ),
    Absence.COMPLETED: (
        "It took nothing off, because it was for {single_invoice}, which it had reduced before.",
        "It took nothing off, because its maximum of {maximum_in_all} in all was taken or its time was over.",
        "It took nothing off, because it is for {billing_cycles}, which had been discounted before.",
        "It took nothing off, because its balance of {balance_in_all} was used up or its time was over.",
        "It took nothing off, because the cycle is outside its window: {first_cycle_start} to {ends_on}.",
        "It took nothing off, because it was over for this invoice.",
    ),
}
CHANGED_SINCE: Wordings = ("It was extended since, or got something back.",)
ENTRY: Wordings = ("Took {amount} off the invoice, in the billing cycle from {cycle_start}.",)
REVERSED: Mapping[ReversalKind | CreditKind, Wordings] = {
    ReversalKind.VOIDED: (
        "The invoice was voided, and {returned} came back to the discount.",
        "The invoice was voided.",
    ),
    ReversalKind.PAYMENT_FAILED: (
        "The invoice was never paid, and {returned} came back to the discount.",
        "The invoice was never paid.",
    ),
    ReversalKind.CHARGED_BACK: (
        "The payment was charged back, and {returned} came back to the discount.",
        "The payment was charged back.",
    ),
    ReversalKind.REFUNDED: (
        "A refund took back {returned} of the discount. It gives no billing cycle back.",
        "A refund took back a part of the discount.",
    ),
    CreditKind.CREDITED: (
        "A credit line of a later invoice gave back {returned} of the discount.",
        "A credit line of a later invoice gave back a part of the discount.",
    ),
    CreditKind.CREDIT_REVERSED: (
        "The credit was taken back with its invoice, so the discount gave {amount} again.",
        "The credit was taken back with its invoice.",
    ),
}
NOTICED: Mapping[Notice, Wordings] = {
    Notice.PERIOD_INSIDE_CYCLE: (
        "The invoice names no billing cycle, and its period begins inside one that was discounted before.",
    ),
}
FOUND: Mapping[Finding, Wordings] = {
    Finding.INVOICE_NOT_FOUND: ("No such invoice was discounted: billing.apply never got it, or refused it.",),
    Finding.TAKEN: ("{taken} was taken off this invoice by {count}.", "Something was taken off this invoice."),
    Finding.NOTHING_TAKEN: ("Nothing was taken off this invoice. Each discount says why.",),
    Finding.GRANTED: ("Discounts were granted. Each says what it gave.",),
    Finding.OTHER_SUBSCRIPTION: (
        "Nothing was taken off this invoice: the customer has discounts, but on other subscriptions only.",
    ),
    Finding.ONLY_REFUSED: (
        "No discount was granted: every request was refused, the last one on {refused_at}.",
        "No discount was granted: every request was refused.",
    ),
    Finding.ONLY_HELD: ("No discount was granted: a place was held, but never redeemed.",),
    Finding.NEVER_REDEEMED: (
        "No discount was granted, because no request for one was decided. One that was given up is a dead letter.",
    ),
}


def say(wordings: Wordings, figures: Figures) -> str:
    """Return the first wording whose figures are all known, with the figures."""
    (text, *_) = (each for each in wordings if fields_of(each) <= figures.keys())
    return text.format_map(figures)


def fields_of(wording: str) -> set[str]:
    """Return the names of the figures that a wording needs."""
    return {name for _, name, _, _ in Formatter().parse(wording) if name}
