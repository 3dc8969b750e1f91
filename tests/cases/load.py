"""The shared cases: numbers of public systems, each with its origin."""

import json
from pathlib import Path

import pytest


def cases(name: str) -> list:
    """Return the cases of a file as parameters, named after their origin."""
    each = json.loads((Path(__file__).parent / f"{name}.json").read_text())["cases"]
    return [pytest.param(case, id=f"{index} {case['origin']}") for index, case in enumerate(each, start=1)]
