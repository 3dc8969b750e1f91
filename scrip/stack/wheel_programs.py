"""The programs of the servers: Postgres and Valkey are installed by pip, inside wheels."""

from importlib.util import find_spec
from pathlib import Path

from scrip.stack.process import StackProcessFailed


def program(*, name: str, package: str, pattern: str) -> Path:
    """Return the path of a program in the folder of a wheel, for the process called `name`.

    The package is not imported, because the import would warn about and touch folders that are of no use here. Raises
    StackProcessFailed if the wheel is not installed.
    """
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in Path(folder).glob(pattern):
            return path
    missing = f"the wheel of {package} is not installed, or not for this machine (it has no {pattern})"
    raise StackProcessFailed(f"{name} could not start: {missing}")
