"""The settings: nothing secret has a default, and a line of text names each missing or invalid variable."""

import pytest

from worker.settings import Settings, settings

ADDRESSES = {"DATABASE_URL": "postgresql://somewhere/scrip", "REDIS_URL": "redis://somewhere/0"}
VARIABLES = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "RESULT_BACKEND_URL", "SCRIP_BEAT_SCHEDULE_FILE")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch):
    """Unset the variables of the stack that the other tests use."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    """Return the settings, read with those variables set."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return settings.__wrapped__()


def test_one_address_serves_as_broker_and_result_backend(monkeypatch):
    """Each can have a variable of its own instead."""
    values = read(monkeypatch, **ADDRESSES)
    assert values.broker_url == values.result_backend_url == ADDRESSES["REDIS_URL"]
    values = read(monkeypatch, BROKER_URL="amqp://elsewhere", RESULT_BACKEND_URL="redis://elsewhere/1")
    assert (values.broker_url, values.result_backend_url) == ("amqp://elsewhere", "redis://elsewhere/1")


@pytest.mark.parametrize("missing", ["DATABASE_URL", "REDIS_URL"])
def test_a_missing_address_ends_the_start_with_one_clear_line(monkeypatch, missing):
    """The line names the variable and shows no value."""
    given = {name: value for name, value in ADDRESSES.items() if name != missing}
    with pytest.raises(SystemExit, match=missing) as ended:
        read(monkeypatch, **given)
    assert "\n" not in str(ended.value)
    assert "somewhere" not in str(ended.value)


def test_an_empty_address_is_a_missing_one(monkeypatch):
    """A compose file passes an unset variable on as an empty text."""
    with pytest.raises(SystemExit, match="DATABASE_URL"):
        read(monkeypatch, **{**ADDRESSES, "DATABASE_URL": ""})


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("DATABASE_URL", "HUSH"),
        ("DATABASE_URL", " "),
        ("DATABASE_URL", "postgresql://scrip@somewhere:HUSH/scrip"),
        ("DATABASE_URL", "postgresql://scrip:HUSH@a@somewhere:b/scrip"),
        ("DATABASE_URL", "postgresql://scrip:a@HUSH@somewhere:5432/scrip"),
        ("DATABASE_URL", "postgresql://scrip:a@HUSH@one:5432,two:5432/scrip"),
        ("DATABASE_URL", "postgresql://scrip@one:HUSH,two:5432/scrip"),
        ("DATABASE_URL", "postgresql://scrip@/scrip?host=one:HUSH&host=two:5432"),
        ("DATABASE_URL", "mysql://scrip:HUSH@somewhere/scrip"),
        ("DATABASE_URL", "sqlite:///HUSH"),
        ("REDIS_URL", "HUSH"),
        ("REDIS_URL", "redis://:HUSH/a@somewhere:6379/0"),
        ("REDIS_URL", "redis://:1/HUSH@somewhere:6379/0"),
        ("REDIS_URL", "rediss://somewhere/HUSH"),
        ("BROKER_URL", "amqp://scrip@somewhere:HUSH"),
        ("BROKER_URL", "reddis://:HUSH@somewhere/0"),
        ("BROKER_URL", "rpc://HUSH"),
        ("BROKER_URL", "sqs://HUSH:b@"),
        ("BROKER_URL", "memory://HUSH"),
        ("BROKER_URL", "redis+cluster://HUSH@somewhere:6379"),
        ("BROKER_URL", "redis://somewhere:6379/0;HUSH"),
        ("RESULT_BACKEND_URL", "rpc://HUSH"),
        ("REDIS_URL", "redis://:HUSH@somewhere/0?ssl_cert_reqs=required"),
        ("REDIS_URL", "rediss://:HUSH@somewhere/0?ssl_cert_reqs=sometimes"),
        ("REDIS_URL", "rediss://:HUSH@somewhere/0?ssl_ca_certs=/nowhere/ca.pem"),
        ("REDIS_URL", "rediss://:HUSH@somewhere/0?ssl_cert_regs=required"),
        ("REDIS_URL", "rediss://:HUSH@one/0;rediss://:HUSH@two/0?ssl_cert_reqs=none"),
        ("BROKER_URL", "amqps://one:HUSH@somewhere?ssl_cert_reqs=none"),
        ("BROKER_URL", "amqps://one:HUSH@somewhere;amqp://two:HUSH@elsewhere"),
        ("BROKER_URL", "somewhere.transports:Own://HUSH"),
        ("RESULT_BACKEND_URL", "reddis://:HUSH@somewhere/0"),
        ("RESULT_BACKEND_URL", "amqp://HUSH@somewhere"),
        ("BROKER_URL", "sentinel://somewhere:1;sentinel://[HUSH"),
        ("RESULT_BACKEND_URL", "redis://somewhere:HUSH/0"),
    ],
)
def test_an_address_that_cannot_be_read_ends_the_start_with_one_clear_line(monkeypatch, variable, url):
    """The text in the place of a port may be half of a password, so the line does not show it."""
    with pytest.raises(SystemExit, match=variable) as ended:
        read(monkeypatch, **{**ADDRESSES, variable: url})
    assert "\n" not in str(ended.value)
    assert "HUSH" not in str(ended.value)


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("DATABASE_URL", "postgres://scrip:a%2Fb@somewhere:5432/scrip?sslmode=require"),
        ("DATABASE_URL", "POSTGRESQL://somewhere/scrip"),
        ("DATABASE_URL", "postgresql+psycopg:///scrip?host=/run/postgresql"),
        ("DATABASE_URL", "postgresql://scrip:a@one:5432,two:5433/scrip?target_session_attrs=read-write"),
        ("DATABASE_URL", "postgresql://scrip:a@/scrip?host=one:5432&host=two:5433"),
        ("REDIS_URL", "rediss://:a%2Fb@somewhere:6380/1?ssl_cert_reqs=required"),
        ("REDIS_URL", "rediss://somewhere/0?ssl_cert_reqs=none&ssl_check_hostname=false"),
        ("REDIS_URL", "redis+socket:///run/redis.sock?virtual_host=1"),
        ("REDIS_URL", "redis://somewhere"),
        ("BROKER_URL", "redis://somewhere:6379//"),
        ("BROKER_URL", "redis://somewhere:6379//1"),
        ("RESULT_BACKEND_URL", "redis://somewhere:6379/0/"),
        ("RESULT_BACKEND_URL", "db+postgresql://scrip:a@somewhere/results"),
        ("RESULT_BACKEND_URL", "somewhere.backends:Own://elsewhere"),
        ("BROKER_URL", "redis://one:6379/0;redis://two:6379/0"),
        ("BROKER_URL", "amqps://scrip:a@[::1]:5671//"),
        ("RESULT_BACKEND_URL", "mongodb://one:27017,two:27017/scrip"),
        ("RESULT_BACKEND_URL", "cache+memcached://one:11211;cache+memcached://two:11211/"),
    ],
)
def test_every_way_to_write_an_address_is_taken(monkeypatch, variable, url):
    """libpq, SQLAlchemy and Celery accept all of these."""
    values = read(monkeypatch, **{**ADDRESSES, variable: url})
    assert url in {values.database_url, values.broker_url, values.result_backend_url}


def test_an_error_names_the_variable_of_a_number_out_of_range(monkeypatch):
    """The line names the environment variable, not the attribute."""
    with pytest.raises(SystemExit, match="SCRIP_WORKER_CONCURRENCY"):
        read(monkeypatch, **ADDRESSES, SCRIP_WORKER_CONCURRENCY="0")


def test_the_grace_is_fifteen_minutes_and_can_be_set(monkeypatch):
    """The contract says so."""
    assert read(monkeypatch, **ADDRESSES).requested_at_grace_seconds == 15 * 60
    assert read(monkeypatch, SCRIP_REQUESTED_AT_GRACE_SECONDS="60").requested_at_grace_seconds == 60


@pytest.mark.parametrize("variable", ["REDIS_URL", "BROKER_URL", "RESULT_BACKEND_URL"])
def test_sentinels_need_the_name_of_their_server(monkeypatch, variable):
    """Without it, the first connection would fail, and Celery would ask the Sentinels for a server called None."""
    url = "sentinel://:a@one:26379/0;sentinel://:a@two:26379/0"
    with pytest.raises(SystemExit, match="SCRIP_SENTINEL_MASTER_NAME is required"):
        read(monkeypatch, **{**ADDRESSES, variable: url})
    values = read(monkeypatch, SCRIP_SENTINEL_MASTER_NAME="main")
    assert url in {values.broker_url, values.result_backend_url}


def test_an_answer_is_kept_for_an_hour_and_the_time_can_be_set(monkeypatch):
    """The database keeps the answers for ever."""
    assert read(monkeypatch, **ADDRESSES).result_expires_seconds == 60 * 60
    assert read(monkeypatch, SCRIP_RESULT_EXPIRES_SECONDS="60").result_expires_seconds == 60


@pytest.mark.parametrize(
    "address", ["9808", "somewhere:9808", "::1:9808", "[127.0.0.1]:9808", "127.0.0.1:65536", ":80"]
)
def test_metrics_listen_on_an_address_and_a_port(monkeypatch, address):
    """A name could lead to another interface than expected."""
    with pytest.raises(SystemExit, match="SCRIP_METRICS_LISTEN: must be an IP address and a port"):
        read(monkeypatch, **ADDRESSES, SCRIP_METRICS_LISTEN=address)


@pytest.mark.parametrize("address", ["0.0.0.0:9808", "[::]:9808", "10.0.0.1:9808"])
def test_metrics_are_shown_to_other_machines_with_a_password_only(monkeypatch, address):
    """On the loopback interface, none is required."""
    with pytest.raises(SystemExit, match="SCRIP_METRICS_BASIC_AUTH is required"):
        read(monkeypatch, **ADDRESSES, SCRIP_METRICS_LISTEN=address)
    read(monkeypatch, **ADDRESSES, SCRIP_METRICS_LISTEN=address, SCRIP_METRICS_BASIC_AUTH="prometheus:word")
    monkeypatch.delenv("SCRIP_METRICS_BASIC_AUTH")
    assert read(monkeypatch, **ADDRESSES, SCRIP_METRICS_LISTEN="[::1]:9808").metrics_basic_auth is None


def test_a_metrics_password_without_a_user_is_not_shown(monkeypatch):
    """The line names the variable."""
    with pytest.raises(SystemExit, match="SCRIP_METRICS_BASIC_AUTH") as ended:
        read(monkeypatch, **ADDRESSES, SCRIP_METRICS_BASIC_AUTH="HUSH")
    assert "HUSH" not in str(ended.value)
