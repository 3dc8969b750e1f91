"""Sets of tasks, by name or by prefix: `billing.apply`, `redemptions.*`, or `*` for every task."""

from collections.abc import Iterable
from typing import Self

EVERY = "*"
ANY_OF_PREFIX = ".*"
# A regular expression for a name or a prefix.
NAME_OR_PREFIX = r"[a-z_]+(\.[a-z_]+)*(\.\*)?"


class TaskNames:
    """A set of tasks."""

    def __init__(self, *, names: frozenset[str], prefixes: tuple[str, ...], has_every: bool = False) -> None:
        self._names = names
        self._prefixes = prefixes
        self._has_every = has_every

    @classmethod
    def read(cls, patterns: Iterable[str]) -> Self:
        """Return the tasks that the patterns name: names, prefixes that end with `.*`, or `*`."""
        given = [each for each in patterns if each]
        prefixes = tuple(each.removesuffix(EVERY) for each in given if each.endswith(ANY_OF_PREFIX))
        names = frozenset(each for each in given if not each.endswith(EVERY))
        return cls(names=names, prefixes=prefixes, has_every=EVERY in given)

    def __contains__(self, task: str) -> bool:
        return self._has_every or task in self._names or task.startswith(self._prefixes)
