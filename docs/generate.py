"""Write the parts of the documents that are made from the code: `make docs`; with `--check`, compare them only."""

import os
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from celery import Task
from pydantic.fields import FieldInfo

from docs import client_rooms
from docs.cli_page import cli_page
from docs.first_line import first_line
from tasks.celery import app
from worker.metrics.definitions import METRICS, Metric
from worker.queues import queue_of
from worker.settings import Settings

DOCS = Path(__file__).parent
SETTINGS_HEAD = """# Settings

Every process reads its settings from the environment. Nothing secret has a default, and a process without a needed
address ends with one line that names it. `make docs` writes this page from `worker/settings.py` and the settings that
it puts together.

`scrip audit` and `alembic` need `DATABASE_URL` only. Flower reads `FLOWER_BASIC_AUTH` (`user:password`, required),
`FLOWER_ADDRESS`, `FLOWER_PORT` and, on RabbitMQ, `FLOWER_BROKER_API` ([flower.md](flower.md#queue-lengths)).

| variable | default | range | meaning |
|---|---|---|---|
"""


def contract_tasks() -> list[Task]:
    """Return the tasks that callers can send, by name. The app needs addresses, but no server is reached."""
    os.environ.setdefault("DATABASE_URL", "postgresql://")
    os.environ.setdefault("REDIS_URL", "redis://")
    return [app.tasks[name] for name in sorted(app.tasks) if not name.startswith("celery.")]


def settings_page() -> str:
    """Return the page of settings."""
    rows = (_setting_row(name, field) for name, field in Settings.model_fields.items())
    return SETTINGS_HEAD + "\n".join(rows) + "\n"


def _setting_row(name: str, field: FieldInfo) -> str:
    variables = _variables(name, field)
    default = "required" if field.is_required() else "" if field.default is None else f"`{field.default}`"
    return f"| {' or '.join(f'`{each}`' for each in variables)} | {default} | {_range(field)} | {field.description} |"


def _variables(name: str, field: FieldInfo) -> list[str]:
    alias: Any = field.validation_alias
    if alias is None:
        return [f"SCRIP_{name.upper()}"]
    return [alias] if isinstance(alias, str) else list(alias.choices)


def _range(field: FieldInfo) -> str:
    bounds = {
        kind: value
        for each in field.metadata
        for kind in ("ge", "le")
        if (value := getattr(each, kind, None)) is not None
    }
    if bounds:
        return f"{bounds['ge']:,} to {bounds['le']:,}"
    choices = re.findall(r"'(\w+)'", str(field.annotation)) if "Literal" in str(field.annotation) else []
    return ", ".join(f"`{each}`" for each in choices)


def tasks_of_contract() -> str:
    """Return the contract's list of tasks, each with a link to its section."""
    rows = (
        f"- [`{task.name}`](#{task.name.replace('.', '')}): {first_line(task)} Queue `{queue_of(task.name)}`."
        for task in contract_tasks()
    )
    return "\n".join(rows)


def tasks_of_architecture() -> str:
    """Return the table of tasks: queue, function, and the table that keeps the first answer."""
    head = "| task | queue | function | first answer kept in |\n|---|---|---|---|\n"
    rows = (
        f"| `{task.name}` | `{queue_of(task.name)}` | {_function(task)} | {_kept(task)} |" for task in contract_tasks()
    )
    return head + "\n".join(rows)


def _function(task: Task) -> str:
    return f"`{task.__module__.replace('.', '/')}.py`: `{task.use_case_name}`"


def _kept(task: Task) -> str:
    kept = task.first_answer
    return f"`{kept.value}`" if kept.is_table() else str(kept.value)


def metrics_of_page() -> str:
    """Return a section for each metric: its type, labels, meaning, and a query."""
    return "\n".join(map(_metric_section, METRICS))


def _metric_section(metric: Metric) -> str:
    labels = ", ".join(f"`{each}`" for each in metric.labels) or "none"
    bounds = f" Buckets: {', '.join(f'{each:g}' for each in metric.buckets)}." if metric.buckets else ""
    return (
        f"### `{metric.name}`\n\n{metric.kind.capitalize()}. Labels: {labels}.{bounds}\n\n"
        f"{textwrap.fill(metric.meaning, width=120)}\n\n```promql\n{metric.query}\n```\n"
    )


def with_part(page: str, *, name: str, text: str) -> str:
    """Return a page with the text between the two comments of that name."""
    between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not between.search(page):
        raise SystemExit(f"a page has no place for its part {name}")
    return between.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page)


def pages() -> Iterator[tuple[Path, str]]:
    """Yield each page that has a generated part, with the text that it should have."""
    yield DOCS / "settings.md", settings_page()
    yield DOCS / "cli.md", cli_page()
    yield client_rooms.PATH, client_rooms.rooms_module(contract_tasks())
    parts = (
        ("contract", "tasks", tasks_of_contract()),
        ("architecture", "tasks", tasks_of_architecture()),
        ("metrics", "metrics", metrics_of_page()),
    )
    for name, part, text in parts:
        path = DOCS / f"{name}.md"
        yield path, with_part(path.read_text(encoding="utf-8"), name=part, text=text)


def main(*, check: bool) -> int:
    """Write the pages, or return 1 if one is not as the code says."""
    stale = [path for path, text in pages() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        said = "is not as the code says: run `make docs`" if check else "written"
        print(f"{path.relative_to(DOCS.parent)} {said}")
    if not check:
        for path, text in pages():
            path.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
