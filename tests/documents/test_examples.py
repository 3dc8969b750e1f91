"""Every example of the README and of docs/ is run by a test as it stands, or is named here with a reason."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.blocks import CHECKOUT, PAGES, blocks, languages
from tests.other_servers.configurations import ACL

SHELL = "/bin/sh"
METRICS = "tests/metrics/test_alerts.py"
STACK, SENDERS = "tests/stack/test_whole_stack.py", "tests/other_servers/test_senders.py"
HERE, BROKER = "tests/documents/test_examples.py", "tests/end_to_end/test_unnamed_queue.py"
CLIENTS = "tests/other_servers/test_clients.py"
# The tests that run the blocks, by page and language. The answers of the contract follow their requests.
RUN_BY = {
    ("README.md", "python"): [f"{STACK}::test_the_readmes_snippet_gets_the_readmes_answer"],
    ("README.md", "json"): [f"{STACK}::test_the_readmes_snippet_gets_the_readmes_answer"],
    ("docs/start.md", "sh"): [f"{STACK}::test_the_tutorial_prints_what_it_says"],
    ("docs/start.md", "python"): [f"{STACK}::test_the_tutorial_prints_what_it_says"],
    ("docs/start.md", "text"): [f"{STACK}::test_the_tutorial_prints_what_it_says"],
    ("docs/contract.md", "python"): [f"{STACK}::test_the_contracts_first_call_is_answered"],
    ("docs/contract.md", "json"): [f"{BROKER}::test_each_example_of_the_contract_is_answered_through_the_broker"],
    ("docs/support.md", "json"): [
        "tests/explanations/test_support_page.py::test_every_request_of_the_page_is_answered"
    ],
    ("docs/brokers.md", "python"): [
        f"{SENDERS}::test_a_sender_behind_sentinels_gets_its_answer",
        f"{SENDERS}::test_a_sender_to_rabbitmq_gets_its_answer",
    ],
    ("docs/brokers.md", "sh"): [f"{HERE}::test_the_addresses_of_a_worker_can_be_read"],
    ("docs/brokers.md", ""): [f"{HERE}::test_the_restricted_user_is_the_one_of_the_tests"],
    ("docs/logs.md", "json"): ["tests/logs/test_json_lines.py::test_the_pages_line_is_that_of_a_batch"],
    ("docs/operate.md", "yaml"): [
        "tests/deployment/test_kubernetes_manifests.py::test_prometheus_scrapes_the_ports_of_the_exporters"
    ],
    ("docs/operate.md", "sh"): ["tests/end_to_end/test_restore.py::test_a_backup_is_restored_while_workers_run"],
    ("docs/postgres.md", "sh"): ["tests/database/test_rights.py::test_the_pages_commands_make_the_roles"],
    ("docs/metrics.md", "promql"): [f"{METRICS}::test_the_pages_queries_and_the_alerts_are_valid_for_prometheus"],
    ("docs/metrics.md", "yaml"): [f"{METRICS}::test_the_pages_configuration_is_valid_for_prometheus"],
}
SECURITY = "tests/signing/test_security_page.py"
RUN_BY |= {
    ("docs/security.md", "json"): [f"{SECURITY}::test_the_own_key_of_the_page_belongs_to_its_file_of_signers"],
    ("docs/security.md", "text"): [f"{SECURITY}::test_the_header_of_the_page_can_be_read"],
    ("docs/security.md", "python"): [f"{SECURITY}::test_what_the_python_of_the_page_signs_is_answered"],
    ("docs/security.md", "js"): [f"{SECURITY}::test_what_the_node_of_the_page_signs_is_answered"],
}
RUN_BY |= {
    (f"docs/how-to/{page}.md", language): [f"{STACK}::test_a_guide_prints_what_it_says"]
    for page in ("checkout", "plan-changes", "refunds")
    for language in ("python", "text")
}
RUN_BY |= {
    ("docs/how-to/python.md", "python"): [f"{STACK}::test_the_guide_for_python_prints_what_it_says"],
    ("docs/how-to/python.md", "text"): [f"{STACK}::test_the_guide_for_python_prints_what_it_says"],
    ("docs/how-to/any-language.md", "sh"): [f"{CLIENTS}::test_a_shell_gets_its_answer"],
    ("docs/how-to/any-language.md", "json"): [f"{CLIENTS}::test_a_shell_gets_its_answer"],
    **{
        ("docs/how-to/fastapi.md", language): [f"{CLIENTS}::test_fastapi_gets_its_answer"]
        for language in ("python", "sh", "json")
    },
    ("docs/how-to/django.md", "python"): [f"{CLIENTS}::test_django_redeems_after_commit"],
    ("docs/how-to/node.md", "js"): [f"{CLIENTS}::test_node_gets_its_answer"],
    **{
        ("clients/python/README.md", language): [f"{STACK}::test_the_python_client_works_alone_from_its_wheel"]
        for language in ("python", "text")
    },
    ("clients/python/README.md", "py"): ["tests/clients/test_django.py::test_a_request_is_sent_after_commit"],
    ("docs/how-to/import.md", "sh"): ["tests/exports/test_guide.py::test_the_commands_of_the_guide_try_and_import"],
}
NOT_RUN = {
    ("clients/python/README.md", "sh"): "no index has the package yet; the test of its other blocks installs its wheel",
    ("README.md", "sh"): "`make test` is this run, `make demo` is run by tests/demo; both install first",
    ("docs/architecture.md", "mermaid"): "a diagram",
    ("docs/states.md", "mermaid"): "diagrams",
    ("docs/traces.md", "sh"): "it needs a collector; tests/end_to_end/test_traces.py runs a worker with an SDK",
}


def test_every_block_is_run_or_named_with_a_reason():
    """A block that is added has to be added to a test."""
    found = {(page, language) for page in PAGES for language in languages(page)}
    assert found == {*RUN_BY, *NOT_RUN}


@pytest.mark.parametrize("test", sorted({each for tests in RUN_BY.values() for each in tests}))
def test_the_tests_that_run_blocks_exist(test: str):
    """A test that was renamed would leave its blocks without one."""
    module, _, name = test.partition("::")
    assert f"def {name}(" in (CHECKOUT / module).read_text(encoding="utf-8")


def test_the_commands_of_the_readme_are_targets_of_make():
    """They install and run for minutes, so they are only looked up."""
    (commands,) = blocks("README.md", "sh")
    script = commands.replace("make ", "make --dry-run --file Makefile ")
    subprocess.run([SHELL, "-eu", "-c", script], cwd=CHECKOUT, check=True, capture_output=True)


def test_the_addresses_of_a_worker_can_be_read(tmp_path: Path):
    """An operator puts them into the environment, with values of its own."""
    (addresses,) = blocks("docs/brokers.md", "sh")
    (tmp_path / "env").write_text(addresses)
    read = "from worker.settings import settings; print(settings().broker_url)"
    script = f'set -a; . ./env; exec "{sys.executable}" -c "{read}"'
    done = subprocess.run(
        [SHELL, "-eu", "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("amqp://scrip:PASSWORD@HOST:5672/VHOST\n", "")


def test_the_restricted_user_is_the_one_of_the_tests():
    """`make faults-brokers` runs the system with that user alone."""
    (user,) = blocks("docs/brokers.md", "")
    assert user.replace("PASSWORD", "word") in ACL
