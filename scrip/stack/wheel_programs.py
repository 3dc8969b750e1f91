"""Where pip put the servers: Postgres and Valkey come as programs inside of wheels."""

from importlib.util import find_spec
from pathlib import Path

from scrip.stack.process import StackProcessFailed


def program(*, part: str, package: str, pattern: str) -> Path:
    """This function will find the program in the wheel's folder, without importing the package, or raise StackProcessFailed.

    An import would warn about, and touch, folders that the servers here have no use for.
    """
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in Path(folder).glob(pattern):
            return path
    missing = f"the wheel of {package} is not installed, or not for this machine (it has no {pattern})"
    raise StackProcessFailed(f"{part} could not start: {missing}")
