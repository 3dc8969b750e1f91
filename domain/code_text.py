"""How a code is written, and the text by which a typed code is looked up."""

import re

CODE_PATTERN = r"^[A-Za-z0-9_-]{3,256}$"
_CODE = re.compile(r"[A-Za-z0-9_-]{3,256}")


def look_up_text(typed: str) -> str | None:
    """Return the typed code in lower case, or None if no code can be written so.

    The check comes before the conversion: `K`, the sign for kelvins, is no `k`, but becomes one in lower case.
    """
    return typed.lower() if _CODE.fullmatch(typed) else None
