"""`scrip up` and `scrip demo` without the development packages, and with a fault of our own."""

import pytest
import typer

from scrip.cli import ends_if_not_installed


@pytest.mark.parametrize("name", ["psutil", "scrip.stack", "scrip.demo"])
def test_what_the_image_leaves_out_ends_with_one_line(name: str, capsys: pytest.CaptureFixture[str]):
    """The exit code is 2, and the line names the missing part."""
    with pytest.raises(typer.Exit) as ended, ends_if_not_installed():
        raise ModuleNotFoundError(name=name)
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err.endswith(f"({name} is missing)\n")


@pytest.mark.parametrize("name", ["scrip.stack.procfil", "tasks.audits", "worker"])
def test_a_misspelt_import_of_our_own_is_not_hidden(name: str):
    """No installation would mend it."""
    with pytest.raises(ModuleNotFoundError), ends_if_not_installed():
        raise ModuleNotFoundError(name=name)
