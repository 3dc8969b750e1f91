"""The tasks that Flower keeps in memory: rare tasks are not pushed out by frequent ones.

Flower keeps the newest tasks, so ten thousand redemptions would push out a sweep within seconds. Here each new task
pushes out the oldest task of the name that has the most. With n names, each name keeps at least an n-th of the memory.
"""

from typing import Any

from flower import events

from worker.monitoring.shown_events import shown_event

# Of a task that is not in memory, these are only counted: Flower would show a task without a name.
LATER_EVENTS = frozenset({"task-started", "task-succeeded"})


class TaskNames:
    """The ids of the tasks in memory by the name of the task, in the order of their last events."""

    def __init__(self) -> None:
        """Begin with no tasks."""
        # A dict without values keeps its order, and finds and removes an id at once.
        self._ids: dict[str | None, dict[str, None]] = {}
        self._names: dict[str, str | None] = {}

    def note(self, task_id: str, name: str | None) -> None:
        """Note an event of a task. Its name may not be known before a later event."""
        self.forget(task_id)
        self._names[task_id] = name
        self._ids.setdefault(name, {})[task_id] = None

    def forget(self, task_id: str) -> None:
        """Forget a task."""
        name = self._names.pop(task_id, None)
        if ids := self._ids.get(name):
            ids.pop(task_id, None)
            if not ids:
                del self._ids[name]

    def oldest_of_most(self) -> str:
        """Return the id of the oldest task of the name that has the most tasks."""
        most: dict[str, None] = max(self._ids.values(), key=len)
        return next(iter(most))


class EventsState(events.EventsState):
    """Flower's state of the tasks and workers, in which each name of a task has a fair share of the memory."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.names = TaskNames()

    def event(self, event: dict[str, Any]) -> None:
        """Note an event with only its ids. If it is the first of a task and the memory is full, forget another task."""
        if not event["type"].startswith("task-"):
            super().event(event)
            return
        event = shown_event(event)
        task_id = event["uuid"]
        if task_id not in self.tasks:
            if event["type"] in LATER_EVENTS:
                self._count(event)
                return
            if len(self.tasks) >= self.max_tasks_in_memory:
                self._make_room()
        super().event(event)
        self.names.note(task_id, self.tasks.data[task_id].name)

    def _count(self, event: dict[str, Any]) -> None:
        self.counter[event["hostname"]][event["type"]] += 1
        self.metrics.observe_task(event["hostname"], event, self.Task(event["uuid"]))

    def _make_room(self) -> None:
        task_id = self.names.oldest_of_most()
        self.names.forget(task_id)
        self.tasks.pop(task_id, None)
        self.search_engine.remove(task_id)

    def _clear_tasks(self, ready: bool = True) -> None:  # noqa: FBT001, FBT002 - Celery's own signature
        super()._clear_tasks(ready)
        self.names = TaskNames()
        for task_id, task in self.itertasks():
            self.names.note(task_id, task.name)
