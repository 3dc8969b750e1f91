"""Write docs/cli.md from the program itself: its commands, their options, and the exit codes."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from scrip.cli import main
from scrip.commands.exit_codes import MEANINGS

HEAD = """# The command line

`scrip` calls the use cases of the tasks in its own process, so the rules are those of [contract.md](contract.md), and
no worker has to run. `make docs` writes this page from the program.

## Conventions

- **Addresses** are those of a worker ([settings.md](settings.md)). `audit`, and `dead-letters` without `retry`, need
  `DATABASE_URL` only.
- **`--project`** may come from the variable `SCRIP_PROJECT`, and `--actor` from `SCRIP_ACTOR`. The filter `--project`
  of `dead-letters` never does: it would hide what is wrong elsewhere.
- **Output** is a table on a terminal. Elsewhere, it is a line for each item with tabs between the columns and no
  headers. A character that cannot be printed is escaped, so no name can move the cursor or add a line.
- **`--json`** writes one JSON object a line to standard output and nothing else there. Errors are an object on
  standard error: `exitCode`, `error`, `message`, and for an invalid request `errors` as in the contract. Only the
  misuse of options is told as text.
- **Lists** end after `--limit` items, and standard error has the option `--after` that continues them, with `--json`
  as `{"object": "more", "after": "…"}`. `--all` follows the pages to the end, in constant memory.
- **Requests** are made of options with the names of the contract's fields. `--file` reads a request from a JSON file,
  `--set '{"metadata": {"team": "a"}}'` adds any field. `--set` takes precedence over the file, and an option over
  both.
- **What cannot be undone asks** on a terminal, or takes `--yes`. Without a terminal and without `--yes`, nothing is
  done. Only `call` never asks: it does what the task does.
- **Completion**: `scrip --install-completion` for bash, zsh and fish.

## Exit codes

| code | meaning |
|---|---|
"""
CSV = """
## Codes in CSV

`scrip codes export` writes `code`, `customer`, `maximumRedemptions`, `maximumRedemptionsPerCustomer`, `expiresAt`,
`redemptions`, `status`, `retiredReason`, `createdAt` and `id`, with a header. A spreadsheet takes a cell that begins
with `=`, `+`, `-` or `@` for a formula. Such a cell gets an apostrophe in front, and `scrip codes import` takes it
away again. `--raw` leaves every cell as it is.

`scrip codes import` reads UTF-8 with a header: `code`, and optionally `customer`, `maximumRedemptions`,
`maximumRedemptionsPerCustomer` and `expiresAt`. An empty cell is no limit. Other columns are an error unless
`--ignore-other-columns` leaves them out. The codes are added a thousand at a time. Each thousand has a request id made
of its content, so the same file can be imported again after an interruption. At a bad line the import ends: the
thousands before it are imported, and its own thousand is not. Repair that line, and import the file again.

## Whole exports

`scrip import` tries a whole export of Stripe, Polar, Gigs or Lago, and with `--apply` brings it over.
[how-to/import.md](how-to/import.md) says what it reads, what it writes, and how it can be repeated. It ends with 5 if
an object was invalid, or else with 3 if one was refused, after all others were imported.

## What is red in `scrip status`

| part | red if |
|---|---|
| database, broker | it cannot be reached |
| migrations | the database is not at the latest migration of this code |
| beat | it has sent nothing for three minutes |
| sweep | none has ended for five minutes |
| audit of changes | it has found a violation since the last audit of everything, or none has ended for 90 minutes |
| audit of everything | the last one has found a violation, or none has ended for 30 hours |
| dead letters, unreadable texts | there is one |
| a queue | its oldest message has waited longer than `--oldest-max`, taken by a worker or not |
| workers | no worker that reads one of the four queues answers within five seconds |

A message does not say when it was sent. Beat looks at the queues every minute, and `scrip status` looks too. The age of
the oldest message is the time since the first look that found it, so the message may be up to a minute older, and in a
queue of more than 25,000 by the time that it waited behind so many. Messages that are not due yet are counted as
waiting, and have no age. On RabbitMQ no age is known.

A part that cannot be looked at because of another is unknown, and not red.

## Commands
"""


def cli_page() -> str:
    """Return the page."""
    codes = "".join(f"| {code.value} | {meaning} |\n" for code, meaning in MEANINGS.items())
    return HEAD + codes + CSV + "".join(_sections(typer.main.get_command(main), name="scrip"))


def _sections(command: Any, *, name: str) -> Iterator[str]:
    for word, each in getattr(command, "commands", {}).items():
        full = f"{name} {word}"
        if getattr(each, "commands", None):
            yield from _sections(each, name=full)
        else:
            yield _section(each, name=full)


def _section(command: Any, *, name: str) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and each.name != "help"]
    usage = " ".join([name, *(each.metavar or each.name.upper() for each in arguments)])
    text = re.sub(r"\s+", " ", command.help or "").strip()
    rows = [(each.metavar or each.name.upper(), each) for each in arguments]
    rows += [(", ".join(each.opts), each) for each in options]
    lines = [f"| `{shown}` | {_meaning(each)} |" for shown, each in rows]
    table = "\n".join(["| option | meaning |", "|---|---|", *lines]) + "\n" if lines else ""
    return f"\n### `{usage}`\n\n{text}\n" + (f"\n{table}" if table else "")


def _meaning(parameter: Any) -> str:
    notes = []
    if parameter.param_type_name == "option" and parameter.required:
        notes.append("required")
    if parameter.envvar:
        notes.append(f"or `{parameter.envvar}`")
    default = parameter.default
    if not parameter.required and default not in {None, False, ()} and not callable(default):
        notes.append(f"default: `{default}`")
    text = (getattr(parameter, "help", None) or "").replace("|", "\\|")
    return f"{text} ({', '.join(notes)})" if notes else text
