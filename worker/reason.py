"""Why a server could not be reached, in one line."""


def reason_of(error: Exception) -> str:
    """This function will return the first line of what the driver says, without the statement that SQLAlchemy adds."""
    said = str(getattr(error, "orig", error)).strip()
    return (said.splitlines() or [type(error).__name__])[0]
