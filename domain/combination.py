"""Which discounts can stand together on a subscription: an exclusive discount stands alone."""

from domain.value_class import value


@value
class Others:
    """The other discounts of a subscription: those that run there, and those for which open holds keep places."""

    exist: bool = False
    # Whether one of them is exclusive.
    include_exclusive: bool = False


def is_combinable(*, is_exclusive: bool, others: Others) -> bool:
    """Return whether a discount can stand beside the others of its subscription."""
    return not (others.exist if is_exclusive else others.include_exclusive)
