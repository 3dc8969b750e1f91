"""The contract page as a list of steps: each task's heading, and the pairs of a request and its answer below it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from typeid import TypeID

from tasks.wire.fields import type_id

PAGE = Path(__file__).parent.parent.parent / "docs" / "contract.md"
HEADING = re.compile(r"^###+ `([a-z_.]+)`", re.MULTILINE)
EXAMPLE = re.compile(r"^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)
IDENTITY = re.compile(
    r"\b(?:vou|voc|red|dis|use|gen|hol|rev)_[0-9a-hjkmnp-tv-z]{26}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b"
)
# Set by the database's clock, so that an example cannot know them.
CLOCKED = {"createdAt", "updatedAt", "decidedAt", "appliedAt", "retiredAt", "created_at", "modified_at", "create_at"}
CLOCKED |= {"updated_at", "reversedAt", "endedAt"}
# The request id of a stamp card's redemption is made of the voucher's identity, among others.
DERIVED = re.compile(r"usage-[0-9a-f]{64}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Step(NamedTuple):
    """One example: what is sent to which task, and what is answered."""

    task: str
    request: Any
    answer: Any


def steps() -> list[Step]:
    """This function will return the page's examples in their order, which is the order in which they are run."""
    return list(_steps(PAGE.read_text()))


def _steps(page: str) -> Iterator[Step]:
    headings = list(HEADING.finditer(page))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        section = page[heading.end() : following.start() if following else len(page)]
        examples = [json.loads(each) for each in EXAMPLE.findall(section)]
        assert len(examples) % 2 == 0, f"{heading[1]}: a request without its answer"
        yield from (Step(heading[1], *pair) for pair in zip(examples[::2], examples[1::2], strict=True))


class Identities:
    """Which identity of the database each one on the page stands for, learned where it first appears.

    A TypeID and the UUID that it encodes are one identity.
    """

    def __init__(self) -> None:
        self._real: dict[UUID, UUID] = {}

    def substitute(self, request: Any) -> Any:
        """This method will return a request with the identities that the database has given."""
        return json.loads(IDENTITY.sub(self._given, json.dumps(request)))

    def _given(self, found: re.Match[str]) -> str:
        prefix, identity = _decoded(found[0])
        real = self._real.get(identity, identity)
        return type_id(prefix, real) if prefix else str(real)

    def is_same(self, expected: str, found: str) -> bool:
        """This method will tell whether an identity stands for that one, as it has before."""
        (prefix, identity), (found_prefix, real) = _decoded(expected), _decoded(found)
        return prefix == found_prefix and self._real.setdefault(identity, real) == real

    def differences(self, expected: Any, found: Any, *, path: str = "answer") -> list[str]:
        """This method will name each place in which an answer is not what the page says."""
        match expected, found:
            case dict(), dict():
                wrong = [f"{path}: has {sorted(found)}"] if expected.keys() != found.keys() else []
                common = [name for name in expected if name in found]
                # A hold's end is set by the clock, a voucher's by its caller.
                is_clocked = CLOCKED | ({"expiresAt"} if expected.get("object") == "hold" else set())
                return wrong + [
                    each
                    for name in common
                    for each in self._of_field(
                        expected[name], found[name], is_clocked=name in is_clocked, path=f"{path}.{name}"
                    )
                ]
            case list(), list() if len(expected) == len(found):
                pairs = enumerate(zip(expected, found, strict=True))
                return [each for index, pair in pairs for each in self.differences(*pair, path=f"{path}.{index}")]
            case str(), str() if IDENTITY.fullmatch(expected) and IDENTITY.fullmatch(found):
                return [] if self.is_same(expected, found) else [f"{path}: is another identity"]
            case str(), str() if DERIVED.fullmatch(expected) and DERIVED.fullmatch(found):
                return []
            case _:
                same = type(expected) is type(found) and expected == found
                return [] if same else [f"{path}: {found!r}, not {expected!r}"]

    def _of_field(self, expected: Any, found: Any, *, is_clocked: bool, path: str) -> list[str]:
        if is_clocked and isinstance(expected, str):
            assert INSTANT.fullmatch(expected), f"{path}: not an instant on the page"
            return [] if isinstance(found, str) and INSTANT.fullmatch(found) else [f"{path}: {found!r} is no instant"]
        return self.differences(expected, found, path=path)


def _decoded(identity: str) -> tuple[str, UUID]:
    prefix, _, suffix = identity.rpartition("_")
    return prefix, UUID(bytes=TypeID.from_string(identity).uuid_bytes) if prefix else UUID(suffix)
