"""The module of the Python client that names every task: `clients/python/src/scrip_client/rooms.py`."""

import keyword
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from celery import Task

from docs.first_line import first_line
from worker.queues import queue_of

PATH = Path(__file__).parents[1] / "clients" / "python" / "src" / "scrip_client" / "rooms.py"
HEAD = '''"""The tasks of Scrip by their names. `make docs` of Scrip writes this module from its tasks."""

from __future__ import annotations

from scrip_client.remote_task import RemoteTask, Sender
'''
ROOM = '''

class {name}:
    """{said}"""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
{lines}
'''


def rooms_module(tasks: Sequence[Task]) -> str:
    """Return the text of the module."""
    return HEAD + "".join(_rooms({each.name: each for each in tasks}, path=()))


def _rooms(tasks: Mapping[str, Task], *, path: tuple[str, ...]) -> Iterator[str]:
    """Yield the classes of the rooms below a path, and then that of the path itself."""
    below = defaultdict[str, dict[str, Task]](dict)
    lines = list[str]()
    for name, task in tasks.items():
        rest = name.split(".")[len(path) :]
        if len(rest) > 1:
            below[rest[0]][name] = task
        else:
            lines += _task_lines(rest[0], task)
    for room, inside in below.items():
        inner = (*path, room)
        yield from _rooms(inside, path=inner)
        lines.append(f"        self.{room} = {_class_name(inner)}(sender)")
    said = f"The tasks whose names begin with `{'.'.join(path)}.`." if path else "All tasks, in rooms."
    yield ROOM.format(name=_class_name(path), said=said, lines="\n".join(lines))


def _task_lines(attribute: str, task: Task) -> list[str]:
    attribute = f"{attribute}_" if keyword.iskeyword(attribute) else attribute
    flag = "" if "project" in task.decision.message.model_fields else ", has_project=False"
    described = f'RemoteTask(sender, "{task.name}", queue="{queue_of(task.name)}"{flag})'
    return [f"        self.{attribute} = {described}", f'        """{first_line(task)}"""']


def _class_name(path: tuple[str, ...]) -> str:
    return "".join(part.title() for each in path for part in each.split("_")) or "Rooms"
