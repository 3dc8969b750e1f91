"""Decompression of message bodies up to a size. kombu's own decompresses whatever a few bytes describe."""

import bz2
import codecs
import encodings
import lzma
import zlib
from collections.abc import Callable
from encodings.aliases import aliases
from pkgutil import iter_modules
from typing import Any, Protocol

from kombu import compression, serialization

from worker.settings import settings

# `xz -9` needs 65 MiB. A header may ask for 4 GiB.
LZMA_MEMORY_MAX = 80 * 2**20
# Python's encodings that are not those of texts, or whose time grows with the square of the length.
UNUSED_ENCODINGS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"})
# Python remembers every name that it has looked up, known or not, and is slow to normalize a long one.
KNOWN_ENCODINGS = frozenset({*aliases, *aliases.values(), *(each.name for each in iter_modules(encodings.__path__))})
# Stands for the encoding of a message that is not that of a text. Python knows it, and decodes nothing by it.
UNDEFINED = "undefined"


class TooLarge(ValueError):
    """A body is larger than SCRIP_MESSAGE_BYTES_MAX, as received or decompressed."""


class Decompressor(Protocol):
    """A decompressor of the standard library, for one stream."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def unused_data(self) -> bytes:
        """What follows the stream."""

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes:
        """Return up to so many bytes."""


DECOMPRESSORS: dict[str, Callable[[], Decompressor]] = {
    "application/x-gzip": zlib.decompressobj,
    "application/x-bz2": bz2.BZ2Decompressor,
    "application/x-lzma": lambda: lzma.LZMADecompressor(memlimit=LZMA_MEMORY_MAX),
}


def decompressed(make: Callable[[], Decompressor], data: bytes, *, size_max: int) -> bytes:
    """Return the data of a stream. Raises TooLarge if there is more, and ValueError if it is cut off or not alone."""
    require_size(data, size_max=size_max)
    decompressor = make()
    try:
        found = decompressor.decompress(data, size_max + 1)
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise ValueError(f"not compressed as it says: {type(error).__name__}") from None
    require_size(found, size_max=size_max)
    if not decompressor.eof or decompressor.unused_data:
        raise ValueError("the compressed stream is cut off, or more follows")
    return found


def require_size(data: Any, *, size_max: int | None = None) -> None:
    """Raise TooLarge if a body is larger than the setting, or than `size_max` bytes."""
    limit = settings().message_bytes_max if size_max is None else size_max
    if len(data) > limit:
        raise TooLarge(f"its body is larger than {limit} bytes")


def register() -> None:
    """Put bounded functions in the place of kombu's own, in this process. What we cannot bound is not decompressed."""
    for content_type in compression.encoders():
        encoder, _ = compression.get_encoder(content_type)
        compression.register(encoder, _decoder(content_type), content_type)
    # kombu decodes a text of a type that it trusts by any codec.
    setattr(serialization, "_decode", _decode)  # noqa: B010 - mypy knows an overloaded function there


def _decoder(content_type: str) -> Callable[[Any], bytes]:
    make = DECOMPRESSORS.get(content_type)

    def decode(body: Any) -> bytes:
        if make is None:
            raise ValueError("this compression is not supported")
        data = body.encode() if isinstance(body, str) else bytes(body)
        return decompressed(make, data, size_max=settings().message_bytes_max)

    return decode


def is_text_encoding(name: object) -> bool:
    """Return whether Python can decode texts by an encoding. Others decompress, for example."""
    if not isinstance(name, str) or name.lower().replace("-", "_").replace(" ", "_") not in KNOWN_ENCODINGS:
        return False
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return False
    # The mark by which `bytes.decode` tells them apart.
    return bool(getattr(found, "_is_text_encoding", False)) and found.name.replace("_", "-") not in UNUSED_ENCODINGS


def _decode(data: bytes, encoding: str) -> str:
    if not is_text_encoding(encoding):
        raise LookupError("the encoding is not that of a text")
    require_size(data)
    return bytes(data).decode(encoding)
