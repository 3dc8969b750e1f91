"""The names of encodings come from anybody: Python remembers each that it has looked up, in memory for ever."""

import encodings

import pytest

from worker.broker.decompression import is_text_encoding

REMEMBERED: dict[str, object] = vars(encodings)["_cache"]


@pytest.mark.parametrize(
    "name", ["utf-8", "UTF-8", "utf8", "us-ascii", "latin-1", "ISO-8859-1", "windows-1252", "utf 16"]
)
def test_an_encoding_of_texts_is_known_in_its_usual_spellings(name: str) -> None:
    """Senders in other languages spell them otherwise."""
    assert is_text_encoding(name)


@pytest.mark.parametrize(
    "name", ["made-up-1", "a" * 100_000, "utf" + "-" * 100_000 + "8", "utf-!8", "encodings.utf_8", ""]
)
def test_a_made_up_name_is_not_looked_up(name: str) -> None:
    """Ten million characters took two seconds, and then as many bytes."""
    before = dict(REMEMBERED)
    assert not is_text_encoding(name)
    assert before == REMEMBERED
