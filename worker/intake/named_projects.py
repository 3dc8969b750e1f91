"""The projects that a request names, as any sender may have written it."""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256

# Polar's and Dintero's names for a project come last.
PROJECT_FIELDS = ("project", "organization_id", "aid")
BULK_FIELDS = ("requests", "invoices")
# Hexadecimal digits: 128 bits.
OWNER_LENGTH = 32


def projects_in(kwargs: object) -> frozenset[str]:
    """Return every project that a task's keyword arguments name, those of each item of a bulk request included."""
    request = kwargs.get("request") if isinstance(kwargs, Mapping) else None
    if not isinstance(request, Mapping):
        return frozenset()
    found = _named(request)
    for field in BULK_FIELDS:
        if isinstance(items := request.get(field), list):
            found += [name for item in items if isinstance(item, Mapping) for name in _named(item)]
    return frozenset(found)


def owner_of(kwargs: object) -> str | None:
    """Return the mark of the projects that a task's keyword arguments name, 32 digits, or None if they name none."""
    projects = projects_in(kwargs)
    return _mark(projects) if projects else None


@lru_cache(maxsize=1_024)
def _mark(projects: frozenset[str]) -> str:
    names = (each.encode(errors="surrogatepass") for each in sorted(projects))
    return sha256(b"".join(b"%d:%b," % (len(each), each) for each in names)).hexdigest()[:OWNER_LENGTH]


def _named(body: Mapping[str, object]) -> list[str]:
    return [value for field in PROJECT_FIELDS if isinstance(value := body.get(field), str)]
