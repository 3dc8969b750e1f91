"""`scrip call`: any task of the contract, with its request as JSON."""

from typing import Annotated

import typer

from scrip.commands.endings import ends_clearly
from scrip.commands.options import AsJson
from scrip.commands.output import end_if_refused, show_object, show_rows
from scrip.commands.request_body import STANDARD_INPUT, read_object
from scrip.commands.use_cases import call, require_task, task_names


def call_task(
    task: Annotated[str | None, typer.Argument(help="The name of the task. Without one, all names are listed.")] = None,
    request: Annotated[str, typer.Argument(help="The request as a JSON object, or - for standard input.")] = "{}",
    *,
    as_json: AsJson = False,
) -> None:
    """Call any task of the contract in this process, and show its answer.

    The answer is JSON. The process needs the addresses that a worker needs, and no worker has to run.
    """
    with ends_clearly(as_json=as_json):
        if task is None:
            show_rows(task_names(), {"task": str}, as_json=as_json)
            return
        require_task(task, as_json=as_json)
        text = typer.get_text_stream("stdin").read() if request == STANDARD_INPUT else request
        body = read_object(text, source="the request", as_json=as_json)
        answer = call(task, body)
        show_object(answer, as_json=True)
        end_if_refused(answer, as_json=as_json)
