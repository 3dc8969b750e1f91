"""The users of the embedded Valkey server, by the file that operators use."""

import re
from collections.abc import Mapping, Sequence

from scrip.stack.procfile import PROCFILE

ADMINISTRATOR = "scrip_administrator"
WORKER, BEAT, FLOWER, METRICS, PRODUCER = (
    "scrip_worker",
    "scrip_beat",
    "scrip_flower",
    "scrip_metrics",
    "scrip_producer",
)
USERS = (ADMINISTRATOR, WORKER, BEAT, FLOWER, METRICS, PRODUCER)
# The users of the Procfile's programs. The others are workers.
OF_SUBCOMMAND: Mapping[str | None, str] = {"beat": BEAT, "flower": FLOWER, "metrics": METRICS}
# A server has so many databases unless told otherwise.
DATABASES = 16
# The last of the worker's keys.
WORKERS_KEYS = "~celeryev.* +@all"
CHANNEL = re.compile(r"&/0\.(\S+)")
USERS_FILE = PROCFILE.parent / "deploy" / "valkey" / "users.acl"


def users_with_passwords(
    passwords: Mapping[str, str], *, databases: int = DATABASES, senders_queues: Sequence[str] = ()
) -> str:
    """Return the file with a password for each user, in the place of WORKER_PASSWORD and its like.

    The file is for database 0. Tests use the others too, and the number is part of the names of channels. Workers may
    also write to the queues of senders that are named, for the tasks that follow a message.
    """

    def in_all(channel: re.Match[str]) -> str:
        return " ".join(f"&/{number}.{channel[1]}" for number in range(databases))

    text = CHANNEL.sub(in_all, USERS_FILE.read_text())
    queues = "".join(f" ~{each} ~{each}???" for each in senders_queues)
    text = text.replace(WORKERS_KEYS, WORKERS_KEYS + queues)
    for user, password in passwords.items():
        text = text.replace(f">{user.removeprefix('scrip_').upper()}_PASSWORD", f">{password}")
    return text
