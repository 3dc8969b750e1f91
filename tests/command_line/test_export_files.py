"""The records in the files of an export: JSON Lines and list answers, however the text is cut into pieces."""

import io
import json
from typing import Any

import pytest

from scrip.commands.export_files import CHUNK_SIZE, RECORD_LENGTH_MAX, UnreadableExportError, read_records

RECORDS: list[dict[str, Any]] = [
    {"id": "a", "items": {"data": [1, 2]}},
    {"id": 'b"]},{', "n": -1.5e3, "t": [True, None], "products": [{"id": "p"}]},
    {},
]


def read(text: str) -> list[tuple[int, Any]]:
    """Return the numbers and the bodies of the records in a text."""
    return [(each.number, each.body) for each in read_records(io.StringIO(text, newline=""))]


LISTS = {
    "stripe": {"object": "list", "url": "/v1/coupons", "has_more": False, "data": RECORDS},
    "stripe, older": {"has_more": False, "object": "list", "data": RECORDS},
    "polar": {"items": RECORDS, "pagination": {"total_count": 3}},
    "polar, turned": {"pagination": {"total_count": 3, "items": [7]}, "items": RECORDS},
    "lago": {"meta": {"current_page": 1}, "applied_coupons": RECORDS},
    "array": RECORDS,
}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", LISTS)
def test_the_records_of_a_list_answer_are_found(name: str, indent: int | None):
    """Wherever the list stands in it, and however it is laid out."""
    text = json.dumps(LISTS[name], indent=indent)
    assert read(text) == list(enumerate(RECORDS, start=1))


def test_the_pages_of_a_list_follow_each_other():
    """With a line end between them, or nothing."""
    page = json.dumps(LISTS["stripe"])
    assert read(f"{page}\n{page}{page}\n") == list(enumerate(RECORDS * 3, start=1))


def test_records_may_follow_a_list_answer():
    """A record is not taken for a page without records, wherever the text is cut between them."""
    (_, record, *_), coupon = RECORDS, {"id": "c", "object": "coupon", "data": [7]}
    page = json.dumps({"object": "list", "data": [record], "url": "x" * (CHUNK_SIZE - 70)})
    for blanks in range(60):
        text = f"{page}{' ' * blanks}{json.dumps(coupon)}\n{json.dumps(record)}"
        assert [body for _, body in read(text)] == [record, coupon, record]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_records_over_several_lines_follow_each_other(line_end: str):
    """As many programs write them."""
    text = "\n".join(json.dumps(each, indent=2) for each in [*RECORDS[:2], LISTS["stripe"]])
    assert read(text.replace("\n", line_end)) == list(enumerate([*RECORDS[:2], *RECORDS], start=1))


@pytest.mark.parametrize("text", ['{"object": "list"}', '{"object": "list", "data": {"a": 1}}', '{"has_more": false}'])
def test_a_list_answer_without_a_list_is_an_error(text: str):
    """Its records might be in a field that is not known."""
    with pytest.raises(UnreadableExportError, match="has a list answer without records"):
        read(text)


def test_a_line_that_is_no_json_is_one_record_of_none():
    """The lines around it are read. Blank lines count in the numbers."""
    text = f"{json.dumps(RECORDS[0])}\r\n\n{{broken\n{json.dumps(RECORDS[1])}"
    assert read(text) == [(1, RECORDS[0]), (3, None), (4, RECORDS[1])]


@pytest.mark.parametrize("shift", range(24))
def test_a_record_may_be_cut_anywhere_between_two_reads(shift: int):
    """Also in a number, in an escape, and between the records."""
    record = {"n": 1234567890, "t": 'é"\\\n', "l": [1.25, -3]}
    around = json.dumps({"x": "y" * (CHUNK_SIZE - 60 + shift)})
    listed = f'{{"object": "list", "number": 12345678, "data": [{around}, {json.dumps(record)}, 12345]}}'
    assert [body for _, body in read(listed)][1:] == [record, 12345]
    assert [body for _, body in read(f"{around}\n{json.dumps(record)}\n")][1:] == [record]


@pytest.mark.parametrize(
    "text",
    ['{"object": "list", "data": [{}', '{"object": "list" 7}', '[{"a": }]', '{"object": "list", "data": [{}]} x'],
)
def test_a_list_that_breaks_off_is_an_error(text: str):
    """Nobody can tell what was in the rest."""
    with pytest.raises(UnreadableExportError, match="is no JSON at character"):
        read(text)


def test_a_text_that_is_too_long_for_a_record_is_not_read_to_its_end():
    """The memory stays bounded."""
    endless = io.StringIO('[{"a": "' + "x" * (RECORD_LENGTH_MAX * 3))
    with pytest.raises(UnreadableExportError, match="longer than any record"):
        list(read_records(endless))
    assert endless.tell() < RECORD_LENGTH_MAX * 2


def test_an_empty_file_has_no_records():
    """Nor has one with blanks only."""
    assert read("") == read(" \n\n") == []
