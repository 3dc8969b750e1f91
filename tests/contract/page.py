"""The examples of docs/contract.md: pairs of a request and an answer below the heading of each task."""

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
    r"\b(?:vou|voc|red|dis|use|gen|hol|rev|dea|cha)_[0-9a-hjkmnp-tv-z]{26}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b"
)
# Fields that the database's clock sets, so that their values differ from the page.
CLOCKED = {"createdAt", "updatedAt", "decidedAt", "appliedAt", "retiredAt", "created_at", "modified_at", "create_at"}
CLOCKED |= {"updated_at", "reversedAt", "completedAt", "endedAt", "at", "diedAt", "erasedAt", "importedAt"}
# The request id of a stamp card's redemption is a hash that depends on the voucher's id.
DERIVED = re.compile(r"usage-[0-9a-f]{64}")
# The instants in a sentence.
TOLD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
# A month of a report is that of the clock too.
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|\d{4}-\d\d")


class Step(NamedTuple):
    """An example: a task, a request and an answer."""

    task: str
    request: Any
    answer: Any


def steps() -> list[Step]:
    """Return the examples in the order of the page, in which the test runs them."""
    return list(_steps(PAGE.read_text()))


def _steps(page: str) -> Iterator[Step]:
    headings = list(HEADING.finditer(page))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        section = page[heading.end() : following.start() if following else len(page)]
        examples = [json.loads(each) for each in EXAMPLE.findall(section)]
        assert len(examples) % 2 == 0, f"{heading[1]}: a request without its answer"
        yield from (Step(heading[1], *pair) for pair in zip(examples[::2], examples[1::2], strict=True))


class Identities:
    """The ids of the database for the ids on the page, each learned at the first appearance in an answer.

    A TypeID and the UUID that it encodes are the same id.
    """

    def __init__(self) -> None:
        self._real: dict[UUID, UUID] = {}

    def substitute(self, request: Any) -> Any:
        """Return a request with the ids of the database in place of those on the page."""
        return json.loads(IDENTITY.sub(self._given, json.dumps(request)))

    def _given(self, found: re.Match[str]) -> str:
        prefix, identity = _decoded(found[0])
        real = self._real.get(identity, identity)
        return type_id(prefix, real) if prefix else str(real)

    def is_same(self, expected: str, found: str) -> bool:
        """Return whether the two ids belong together. If the id on the page is new, they do from now on."""
        (prefix, identity), (found_prefix, real) = _decoded(expected), _decoded(found)
        return prefix == found_prefix and self._real.setdefault(identity, real) == real

    def differences(self, expected: Any, found: Any, *, path: str = "answer") -> list[str]:
        """Return each difference between the answer on the page and the actual answer, with the path."""
        match expected, found:
            case dict(), dict():
                wrong = [f"{path}: has {sorted(found)}"] if expected.keys() != found.keys() else []
                common = [name for name in expected if name in found]
                # The clock sets the end of a hold, but the caller sets the end of a voucher.
                is_clocked = CLOCKED | ({"expiresAt"} if expected.get("object") == "hold" else set())
                # The caller asks for the months of a forecast, but not for those of a report.
                is_clocked |= {"month"} if "redeemed" in expected else set()
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
        if path.endswith(".text"):
            expected, found = (TOLD.sub("an instant", each) for each in (expected, found))
        return self.differences(expected, found, path=path)


def _decoded(identity: str) -> tuple[str, UUID]:
    prefix, _, suffix = identity.rpartition("_")
    return prefix, UUID(bytes=TypeID.from_string(identity).uuid_bytes) if prefix else UUID(suffix)
