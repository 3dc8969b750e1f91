"""Conditions on the kinds of reversals in SQL, for tables and statements of several rooms."""

from domain.credit import CreditKind
from domain.reversal import GIVING_BACK, ReversalKind
from models.base import one_of

KIND_KNOWN = one_of("kind", [*ReversalKind, *CreditKind])
# Whether a reversal gives the cycle back: every kind does but refunds and credits.
GIVES_BACK = one_of("kind", [each for each in ReversalKind if each in GIVING_BACK])
# A reversal knows the crediting invoice, unless it is no credit.
CREDITED_BY_IF_CREDIT = f"({one_of('kind', CreditKind)}) = (credited_by IS NOT NULL)"
