"""The bodies of the public documents of Gigs, Polar, Dintero and Stripe, each with its address and our task for it."""

import json
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).with_name("public_documents")
SYSTEMS = ("gigs", "polar", "dintero", "stripe")


class PublicBody(NamedTuple):
    """A body as it stands in the document, and the fields that the document says an answer has."""

    name: str
    task: str
    origin: str
    body: dict[str, Any]
    fields: list[str]


def bodies_of(system: str) -> list[PublicBody]:
    """Return the bodies of a system. A field of a nested object has the name of the object before a point."""
    document = json.loads((FOLDER / f"{system}.json").read_text(encoding="utf-8"))
    answers = document["answers"]
    return [
        PublicBody(
            name=f"{system}: {each['name']}",
            task=each["task"],
            origin=each["origin"],
            body=each["body"],
            fields=answers[each["answer"]]["fields"] if "answer" in each else [],
        )
        for each in document["requests"]
    ]
