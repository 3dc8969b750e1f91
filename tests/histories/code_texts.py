"""The model of random histories: the code that a text names.

A text belongs to the only available code with that text. Without such a code, it names the last code that had it.
"""

from datetime import datetime, timedelta

from tests.histories.entities import WITH_ITS_VOUCHER, Code, End, Voucher

TAKEN_OVER = set(WITH_ITS_VOUCHER.values())


class Codes:
    """Every code of every voucher, in the order of creation."""

    def __init__(self) -> None:
        self.all: list[Code] = []

    def carrying(self, *, project: str, text: str) -> list[Code]:
        """Return every code that has or had a text, without regard to case."""
        name = (project, text.lower())
        return [each for each in self.all if (each.voucher.body["project"], each.text.lower()) == name]

    def named(self, *, project: str, text: str) -> Code | None:
        """Return the code that a text names: the holder, else the last holder, else a code that shows the text."""
        carriers = self.carrying(project=project, text=text)
        held = [each for each in carriers if each.has_held]
        holders = [each for each in held if each.retired is None]
        return next(iter([*holders, *held[::-1], *carriers[::-1]]), None)

    def of(self, voucher: Voucher) -> list[Code]:
        """Return a voucher's codes."""
        return [each for each in self.all if each.voucher is voucher]

    def own(self, voucher: Voucher) -> Code | None:
        """Return the code that a voucher shows, or the last code with its text."""
        own = [each for each in self.of(voucher) if each.is_own]
        text = voucher.body.get("code", "").lower()
        held = [each for each in own if each.retired is None]
        return next(iter(held or [each for each in reversed(own) if each.text.lower() == text]), None)

    def is_free(self, *, project: str, text: str, at: datetime, by: Voucher | None = None) -> bool:
        """Return whether a text is free: no code that is still usable holds the text."""
        holder = self.named(project=project, text=text)
        return holder is None or holder.retired is not None or end_of(holder, at=at, by=by) is not None

    def has(self, voucher: Voucher, *, text: str) -> bool:
        """Return whether a code of the voucher holds the text."""
        holder = self.named(project=voucher.body["project"], text=text)
        return holder is not None and holder.voucher is voucher and holder.retired is None

    def add(self, code: Code, *, at: datetime) -> None:
        """Give a code its text. A last holder that has ended is retired, with the reason of its end."""
        holder = self.named(project=code.voucher.body["project"], text=code.text)
        if holder is not None and holder.retired is None:
            holder.retired = end_of(holder, at=at, by=code.voucher)
            assert holder.retired is not None
            if holder.retired[0] == "voucherExpired":
                holder.voucher.expire()
        self.all.append(code)

    def follow(self, voucher: Voucher, *, before: Voucher, at: datetime) -> bool:
        """Let a voucher's own code follow the change of the voucher, and return whether the text was free.

        A voucher that becomes available again needs the text back. A voucher that stays retired may show a text that
        the code of another voucher holds.
        """
        text, own = voucher.body.get("code"), self.own(before)
        is_same = own is not None and text is not None and own.text.lower() == text.lower()
        comes_back = before.retired is not None and voucher.retired is None
        if own is not None and is_same:
            if own.text != text:
                own.updated_at = at
            own.text = text or own.text
            needs_text = own.retired is not None and comes_back and own.retired[0] in TAKEN_OVER
            if not needs_text or self.has(before, text=own.text):
                return True
        is_free = text is None or self.is_free(project=voucher.body["project"], text=text, at=at, by=before)
        if not is_free and voucher.retired is None:
            return False
        if own is not None and own.retired is None:
            own.retired = "manualAction", at
        if text is not None:
            new = Code(text=text, voucher=before, created_at=at)
            if is_free:
                self.add(new, at=at)
            else:
                self.show(new, because=voucher.retired, at=at)
        return True

    def show(self, code: Code, *, because: End | None, at: datetime) -> None:
        """Make a retired voucher show a text that another voucher's code holds."""
        holder = self.named(project=code.voucher.body["project"], text=code.text)
        assert because is not None
        assert holder is not None
        # Older than the holder, so that the text still names the holder after the end.
        code.created_at = holder.created_at - timedelta(microseconds=1)
        code.has_held, code.retired = False, (WITH_ITS_VOUCHER[because[0]], at)
        self.all.append(code)


def end_of(code: Code, *, at: datetime, by: Voucher | None) -> End | None:
    """Return the end of a code for a voucher that wants the text. A voucher keeps its own texts."""
    return code.own_end(at) if code.voucher is by else code.end(at)
