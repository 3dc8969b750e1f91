"""A program that a test runs in a container: `python -c SOURCE look`, or `stale`."""

import errno
import json
import struct
import sys
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path

TRIED = ("/", "/app", "/app/tasks", "/etc", "/opt/venv", "/tmp", "/var/lib/scrip/metrics")  # noqa: S108 - the container's own


def is_read_only(folder: str) -> bool:
    """Return whether the folder is on a read-only file system. Try to write, because root may do all else."""
    file = Path(folder, "probe")
    try:
        file.touch()
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return True
    file.unlink()
    return False


def look() -> dict[str, object]:
    """Return the rights of the container's first process, and the folders to which this one may write."""
    lines = Path("/proc/1/status").read_text().splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    user, group = {*status["Uid"]}, {*status["Gid"]}
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "user and groups": [*map(int, user), *map(int, group), status["Groups"]],
        "capabilities": [status[f"Cap{each}"][0] for each in ("Inh", "Prm", "Eff", "Bnd", "Amb")],
        "no new privileges": status["NoNewPrivs"][0],
        "read-only": [each for each in TRIED if is_read_only(each)],
        "writable": [each for each in TRIED if not is_read_only(each)],
    }


def stale() -> Iterator[str]:
    """Yield each module without bytecode for its time and size. The format of the header is that of PEP 552."""
    for path in Path("/app").rglob("*.py"):
        status, cached = path.stat(), Path(cache_from_source(str(path)))
        header = MAGIC_NUMBER + struct.pack("<III", 0, int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
        if not cached.exists() or cached.read_bytes()[: len(header)] != header:
            yield str(path)


match sys.argv[1:]:
    case ["look"]:
        print(json.dumps(look()))  # noqa: T201 - for the test that runs this
    case ["stale"]:
        print(json.dumps(sorted(stale())))  # noqa: T201 - the same
