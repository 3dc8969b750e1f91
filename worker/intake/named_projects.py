"""The projects that a request names, as any sender may have written it.

A request of Polar's that leaves out the organization concerns that of SCRIP_POLAR_ORGANIZATION, whatever else it names.
"""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256

from worker.settings import settings

# Polar's and Dintero's names for a project come last.
PROJECT_FIELDS = ("project", "organization_id", "aid")
BULK_FIELDS = ("requests", "invoices")
# Hexadecimal digits: 128 bits.
OWNER_LENGTH = 32
POLAR_TASKS = "polar."


def projects_in(kwargs: object, *, task: str) -> frozenset[str]:
    """Return every project that a task's keyword arguments concern, those of each item of a bulk request included."""
    request = kwargs.get("request") if isinstance(kwargs, Mapping) else None
    if not isinstance(request, Mapping):
        return frozenset()
    found = _named(request)
    if task.startswith(POLAR_TASKS) and (organization := left_out_organization(request)) is not None:
        found.append(organization)
    for field in BULK_FIELDS:
        if isinstance(items := request.get(field), list):
            found += [name for item in items if isinstance(item, Mapping) for name in _named(item)]
    return frozenset(found)


def left_out_organization(request: Mapping[str, object]) -> str | None:
    """Return the organization that a request of Polar's concerns without naming it, or None."""
    return settings().polar_organization if request.get("organization_id") is None else None


def owner_of(kwargs: object, *, task: str) -> str | None:
    """Return the mark of the projects that a task's keyword arguments concern, 32 digits, or None if there are none."""
    projects = projects_in(kwargs, task=task)
    return _mark(projects) if projects else None


@lru_cache(maxsize=1_024)
def _mark(projects: frozenset[str]) -> str:
    names = (each.encode(errors="surrogatepass") for each in sorted(projects))
    return sha256(b"".join(b"%d:%b," % (len(each), each) for each in names)).hexdigest()[:OWNER_LENGTH]


def _named(body: Mapping[str, object]) -> list[str]:
    return [value for field in PROJECT_FIELDS if isinstance(value := body.get(field), str)]
