"""Names that come from callers, as they are shown: cut, on one line, and without control characters."""

# Longer than any name of a task or of a field. A caller's own id has up to 255 characters.
SHOWN_LENGTH_MAX = 300


def shown(text: str, *, length_max: int = SHOWN_LENGTH_MAX) -> str:
    """Return a text with every unprintable character escaped, cut to so many characters."""
    cut = text if len(text) <= length_max else f"{text[: length_max - 1]}…"
    if cut.isprintable():
        return cut
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in cut)
