"""The projects that a request names, as any sender may have written it."""

from collections.abc import Iterator, Mapping
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
    return frozenset(_projects(request))


def owner_of(kwargs: object) -> str | None:
    """Return the mark of the projects that a task's keyword arguments name, 32 digits, or None if they name none."""
    projects = projects_in(kwargs)
    return _mark(projects) if projects else None


@lru_cache(maxsize=1_024)
def _mark(projects: frozenset[str]) -> str:
    names = (each.encode(errors="surrogatepass") for each in sorted(projects))
    return sha256(b"".join(b"%d:%b," % (len(each), each) for each in names)).hexdigest()[:OWNER_LENGTH]


def _projects(request: object) -> Iterator[str]:
    if not isinstance(request, Mapping):
        return
    yield from _named(request)
    for field in BULK_FIELDS:
        items = request.get(field)
        for item in items if isinstance(items, list) else ():
            if isinstance(item, Mapping):
                yield from _named(item)


def _named(body: Mapping[str, object]) -> Iterator[str]:
    for field in PROJECT_FIELDS:
        value = body.get(field)
        if isinstance(value, str):
            yield value
