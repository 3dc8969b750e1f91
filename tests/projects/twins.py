"""The twin of a project: another project that uses the same ids in everything.

Those are the ids of customers, subscriptions, requests and invoices, and codes and names.
"""

import re
from typing import Any

from tests.contract.page import steps
from tests.support.requests import voucher_body

# Dintero's projects have a form of their own, and so have Polar's.
DINTERO, POLAR = re.compile(r"P\d{8}"), re.compile(r"[0-9a-f-]{36}")
NAMES = ("project", "organization_id", "aid")


def named_in(value: Any) -> set[str]:
    """Return the projects that a request names, at any depth."""
    match value:
        case dict():
            own = {each for name, each in value.items() if name in NAMES}
            return own.union(*(named_in(each) for each in value.values()))
        case list():
            return set().union(*map(named_in, value))
    return set()


def twin_name(project: str) -> str:
    """Return the name of the project's twin, in the same form."""
    if DINTERO.fullmatch(project):
        return f"P{99_999_999 - int(project[1:]):08}"
    return f"0{project[1:]}" if POLAR.fullmatch(project) else f"twin of {project}"


# The project of the stories and the scenarios, and those of the page.
PROJECT = str(voucher_body()["project"])
TWIN = twin_name(PROJECT)
PROJECTS = {PROJECT}.union(*(named_in(step.request) for step in steps()))


def as_twin(value: Any) -> Any:
    """Return a request or an answer with the twins in the places of the projects."""
    match value:
        case dict():
            return {name: as_twin(each) for name, each in value.items()}
        case list():
            return [as_twin(each) for each in value]
        case str() if value in PROJECTS:
            return twin_name(value)
    return value
