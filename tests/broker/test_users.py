"""The users of deploy/valkey/users.acl: each may do its work, and nothing else. The whole stack runs with them."""

from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from scrip.stack.valkey_users import BEAT, FLOWER, METRICS, PRODUCER, USERS, WORKER
from tests.end_to_end.broker import with_redis
from tests.support.administrator import administrators_broker_url

# A database of Valkey from which no worker reads.
UNREAD = 5
RESULT = "celery-task-meta-0b0c"
# Nobody but the administrator may do this, workers included.
FORBIDDEN_TO_ALL = (
    ("CONFIG", "GET", "requirepass"),
    ("CONFIG", "SET", "dir", "/tmp"),  # noqa: S108 - what an attacker would try
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("DEBUG", "SLEEP", "0"),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("RANDOMKEY",),
    ("SHUTDOWN", "NOSAVE"),
    ("REPLICAOF", "127.0.0.1", "1"),
    ("MONITOR",),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("ACL", "LIST"),
    ("FUNCTION", "LIST"),
    ("MIGRATE", "127.0.0.1", "1", "redemptions", "0", "1"),
    ("SAVE",),
    ("GET", "somebody-elses"),
    ("SET", "somebody-elses", "1"),
    ("PUBLISH", "somebody-elses", "1"),
)
PUSH, READ_QUEUE = ("LPUSH", "redemptions", "{}"), ("LRANGE", "redemptions", "0", "-1")
TAKE, CONTROL = ("RPOP", "redemptions"), ("PUBLISH", "/0.celery.pidbox", "{}")
READ_RESULT, FORGE_RESULT = ("GET", RESULT), ("SET", RESULT, "{}")
READ_TAKEN, DROP_TAKEN = ("HSCAN", "unacked", "0"), ("DEL", "unacked")
SCRIPT = ("EVAL", "return 1", "0")
# A publisher to an exchange sends a copy to each queue that is bound to it.
BIND, UNBIND = (("SADD", "_kombu.binding.redemptions", "x"), ("SREM", "_kombu.binding.redemptions", "x"))
FORBIDDEN = {
    BEAT: (PUSH, READ_QUEUE, TAKE, CONTROL, READ_RESULT, FORGE_RESULT, DROP_TAKEN, ("SET", "redemptions", "1")),
    FLOWER: (PUSH, READ_QUEUE, TAKE, READ_RESULT, FORGE_RESULT, DROP_TAKEN, ("DEL", "redemptions"), BIND, UNBIND),
    METRICS: (PUSH, READ_QUEUE, TAKE, CONTROL, READ_RESULT, FORGE_RESULT, DROP_TAKEN, ("SET", "redemptions", "1")),
    PRODUCER: (
        READ_QUEUE,
        TAKE,
        CONTROL,
        FORGE_RESULT,
        READ_TAKEN,
        DROP_TAKEN,
        ("DEL", RESULT),
        ("PSUBSCRIBE", "celery-task-meta-*"),
        ("SUBSCRIBE", "/0.celeryev/task.multi"),
        ("SMEMBERS", "_kombu.binding.celery.pidbox"),
        SCRIPT,
    ),
}
ALLOWED = {
    WORKER: (PUSH, READ_QUEUE, READ_RESULT, FORGE_RESULT, READ_TAKEN, CONTROL),
    BEAT: (("LPUSH", "sweeps", "{}"), ("LLEN", "redemptions"), READ_TAKEN, ("SET", "scrip.queue-ages", "{}")),
    FLOWER: (("LLEN", "redemptions"), READ_TAKEN, CONTROL),
    METRICS: (("LLEN", "redemptions"), ("LINDEX", "redemptions", "-1"), READ_TAKEN, ("SET", "scrip.queue-ages", "{}")),
    PRODUCER: (PUSH, ("LLEN", "redemptions"), READ_RESULT, ("SUBSCRIBE", RESULT)),
}


@pytest.fixture
def administrator(environment: dict[str, str]) -> Iterator[Redis]:
    """Yield the administrator's client of a database that no worker reads, empty before and after the test."""
    url = administrators_broker_url(with_redis(environment, number=UNREAD)["REDIS_URL"])
    with Redis.from_url(url, decode_responses=True) as client:
        client.flushdb()
        yield client
        client.flushdb()


def refuses(administrator: Redis, user: str, command: tuple[str, ...]) -> bool:
    """Return whether the server would refuse a command of a user. It runs nothing."""
    return str(administrator.execute_command("ACL", "DRYRUN", user, *command)) != "OK"


@pytest.mark.parametrize("user", [user for user in USERS if user != "scrip_administrator"])
def test_nobody_administers_the_server_or_touches_keys_that_are_not_scrips(user: str, administrator: Redis) -> None:
    """One message of a program that was taken over must not stop the server."""
    assert [each for each in FORBIDDEN_TO_ALL if not refuses(administrator, user, each)] == []


@pytest.mark.parametrize("user", FORBIDDEN)
def test_a_user_is_refused_the_work_of_the_others(user: str, administrator: Redis) -> None:
    """A sender reads no queue and forges no result, and Flower sends no task."""
    assert [each for each in FORBIDDEN[user] if not refuses(administrator, user, each)] == []


@pytest.mark.parametrize("user", ALLOWED)
def test_a_user_may_do_its_work(user: str, administrator: Redis) -> None:
    """The tests of the whole stack show more of it: no user is refused anything there."""
    assert [each for each in ALLOWED[user] if refuses(administrator, user, each)] == []


def test_the_default_user_is_off(administrator: Redis) -> None:
    """A client without a user's name is refused, whatever its password is."""
    assert "off" in administrator.execute_command("ACL", "GETUSER", "default")["flags"]


def test_a_forged_key_in_a_script_is_refused_too(environment: dict[str, str]) -> None:
    """A script may do what its user may do, whatever keys it declares."""
    with (
        Redis.from_url(environment["REDIS_URL"]) as worker,
        pytest.raises(NoPermissionError),
    ):
        worker.execute_command("EVAL", "return 1", "1", "somebody-elses")
