"""Bodies are bounded as received and decompressed: what is over is refused in constant memory, and its caller told."""

import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.abuse.attacked import DROPPED, MEGABYTE, REDEEM, Attacked
from tests.end_to_end.raw_messages import publish, put_envelope
from tests.support.requests import redemption

pytestmark = pytest.mark.slow

SIZE_MAX = 16 * MEGABYTE
# A bomb that is decompressed as a whole takes this much.
BOMB_BYTES = 512 * MEGABYTE
# Of the main process, beside a body: the texts of an envelope, once in base64 and once decoded.
MEMORY_MAX = 160 * MEGABYTE
TOO_LARGE = f"its body is larger than {SIZE_MAX} bytes"
TOO_MANY = "it has more than 1000000 values"
VALID = json.dumps([[], {"request": redemption(code="NONE")}, {}]).encode()
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "zlib": zlib.compress,
    "gzip": zlib.compress,
    "application/x-gzip": zlib.compress,
    "bzip2": bz2.compress,
    "application/x-bz2": bz2.compress,
    "lzma": lzma.compress,
    "xz": lzma.compress,
}


def bomb(compressor: Any) -> bytes:
    """Return a compressed text of half a gigabyte."""
    block = b" " * MEGABYTE
    return b"".join([*(compressor.compress(block) for _ in range(BOMB_BYTES // MEGABYTE)), compressor.flush()])


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    """Return a bomb of each kind of compression."""
    return {
        "gzip": bomb(zlib.compressobj(9)),
        "bzip2": bomb(bz2.BZ2Compressor()),
        "lzma": bomb(lzma.LZMACompressor()),
    }


def published(attacked: Attacked, body: bytes, **headers: Any) -> str:
    """Publish a body with those headers, and return the task's id."""
    task_id = str(uuid4())
    publish(attacked.client, body=body, headers={"id": task_id, "task": REDEEM, **headers})
    return task_id


def problem(attacked: Attacked, task_id: str) -> str:
    """Return the problem for which a message was dropped."""
    error = attacked.error(task_id)
    assert error["exc_type"] == "InvalidTaskError", error
    text: str = error["exc_message"][0]
    return text


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_compressed_request_is_answered(attacked: Attacked, compression: str) -> None:
    """By each of kombu's names."""
    sent = published(attacked, COMPRESSIONS[compression](VALID), compression=compression)
    assert attacked.client.answer(sent)["reason"] == "voucher_not_found"


@pytest.mark.parametrize("compression", ["gzip", "bzip2", "lzma"])
def test_a_bomb_is_refused_in_constant_memory(attacked: Attacked, bombs: dict[str, bytes], compression: str) -> None:
    """A few bytes describe half a gigabyte."""
    before = attacked.forget_peak()
    sent = published(attacked, bombs[compression], compression=compression)
    assert problem(attacked, sent) == TOO_LARGE
    assert attacked.peak_bytes() - before < MEMORY_MAX
    attacked.assert_counted(DROPPED, "not_a_task")
    attacked.assert_unharmed()


@pytest.mark.parametrize(
    ("compression", "body"),
    [
        pytest.param("gzip", zlib.compress(VALID)[:-5], id="cut off"),
        pytest.param("gzip", zlib.compress(VALID) * 2, id="two streams"),
        pytest.param("bzip2", bz2.compress(VALID) + bz2.compress(b""), id="an empty stream follows"),
        pytest.param("gzip", zlib.compress(zlib.compress(VALID)), id="two layers"),
        pytest.param("bzip2", zlib.compress(VALID), id="another compression"),
        pytest.param("gzip", gzip.compress(VALID), id="a file of gzip"),
        pytest.param("zstd", VALID, id="a compression that nobody has"),
        pytest.param(
            "lzma", lzma.compress(VALID, format=lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2}]), id="raw"
        ),
    ],
)
def test_what_is_not_compressed_once_is_dropped(attacked: Attacked, compression: str, body: bytes) -> None:
    """As a body that cannot be decoded."""
    assert problem(attacked, published(attacked, body, compression=compression)).startswith("its body")
    attacked.assert_unharmed()


def test_a_dictionary_of_gigabytes_is_not_allocated(attacked: Attacked) -> None:
    """The header of a stream of LZMA names its size."""
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 2**30, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3, "nice_len": 5}]
    body = bytearray(lzma.compress(VALID, format=lzma.FORMAT_ALONE, filters=[{**filters[0], "dict_size": 2**16}]))
    body[1:5] = (2**32 - 1).to_bytes(4, "little")
    assert problem(attacked, published(attacked, bytes(body), compression="lzma")) == "its body cannot be decoded"
    attacked.assert_unharmed()


@pytest.mark.parametrize("codec", ["bz2", "zlib", "hex", "punycode", "idna", "unicode_escape", "uu"])
def test_a_codec_that_is_no_encoding_of_texts_is_not_used(attacked: Attacked, codec: str) -> None:
    """Python's codecs decompress too, and some take a time that grows with the square of the length."""
    task_id = str(uuid4())
    publish(
        attacked.client,
        body=bz2.compress(b" " * 1_000),
        headers={"id": task_id, "task": REDEEM},
        content_type="application/data",
        content_encoding=codec,
    )
    assert problem(attacked, task_id) == "its body is not JSON"
    attacked.assert_unharmed()


def test_a_body_that_is_too_large_is_refused(attacked: Attacked) -> None:
    """Its caller is told, and it is neither parsed nor logged."""
    sent = published(attacked, b" " * (SIZE_MAX + 1))
    assert problem(attacked, sent) == TOO_LARGE
    assert len(attacked.log) < 100_000
    attacked.assert_unharmed()


def test_the_largest_body_is_answered(attacked: Attacked) -> None:
    """To the byte."""
    sent = published(attacked, VALID + b" " * (SIZE_MAX - len(VALID)))
    assert attacked.client.answer(sent)["reason"] == "voucher_not_found"


def test_headers_of_nearly_a_megabyte_are_read_with_the_largest_body(attacked: Attacked) -> None:
    """A trace has a few kilobytes."""
    body = VALID + b" " * (SIZE_MAX - len(VALID))
    sent = published(attacked, body, trace="y" * (MEGABYTE - 2_000))
    assert attacked.client.answer(sent)["reason"] == "voucher_not_found"


@pytest.mark.parametrize(
    "filling",
    [b"[],", b"{},", b'{"a":1},', b"1,", b'"",', b"[[[[]]]],"],
    ids=["lists", "objects", "objects with a field", "numbers", "texts", "nested lists"],
)
def test_a_body_of_millions_of_values_is_refused(attacked: Attacked, filling: bytes) -> None:
    """They would take a gigabyte, and seconds of the process that serves all queues."""
    inner = filling * ((SIZE_MAX - 100) // len(filling))
    before = attacked.forget_peak()
    sent = published(attacked, b'[[], {"request": [' + inner + b"0]}, {}]")
    assert problem(attacked, sent) == TOO_MANY
    assert attacked.peak_bytes() - before < MEMORY_MAX
    attacked.assert_unharmed()


def test_numbers_of_many_digits_are_refused(attacked: Attacked) -> None:
    """Python would need a time that grows with the square of their length."""
    sent = published(attacked, b'[[], {"request": ' + b"9" * (SIZE_MAX - 100) + b"}, {}]")
    assert problem(attacked, sent).startswith("its body")
    attacked.assert_unharmed()


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"x": "y" * (36 * MEGABYTE)}, id="one that is too large"),
        pytest.param({"x": "y" * (30 * MEGABYTE)}, id="one for which the largest body would leave no room"),
        pytest.param({"x": "y" * MEGABYTE}, id="headers that are too large beside a small body"),
        pytest.param({"x": "y" * MEGABYTE, "body": "e30=" * 5 * MEGABYTE}, id="a body among the headers"),
        pytest.param({"x": [[]] * 1_500_000}, id="millions of values"),
    ],
)
def test_an_envelope_that_is_too_large_is_set_aside_by_the_server(attacked: Attacked, headers: dict[str, Any]) -> None:
    """Its JSON is parsed by nobody, and an operator finds it among the unreadable texts."""
    redis = attacked.client.broker.redis
    redis.delete("unreadable")
    before = attacked.forget_peak()
    put_envelope(attacked.client, {"headers": headers})
    attacked.worker.eventually(lambda: redis.llen("unreadable") == 1)
    attacked.assert_unharmed()
    assert attacked.peak_bytes() - before < MEMORY_MAX
    redis.delete("unreadable")
