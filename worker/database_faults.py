"""The faults of the database, sorted by SQLSTATE: whether they pass, and whether the connection is of any more use."""

from sqlalchemy import ExceptionContext
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, InternalError, OperationalError

# SQLSTATE of a unique violation.
UNIQUE_VIOLATION = "23505"
# The faults that pass, so that the same statement can succeed later, by class of SQLSTATE: connections, serialization
# and deadlocks, resources (connections, disk, memory), shutdown and statement timeout, and input or output. (PostgreSQL
# 18, appendix A.)
PASSING_CLASSES = frozenset({"08", "40", "53", "57", "58"})
# Lock timeout.
PASSING_STATES = frozenset({"55P03"})
# The faults of one connection, which pass once it is replaced: a server that became a read-only standby, one that shuts
# down, crashed, is not yet ready or dropped the database, and a transaction that was idle for too long. A prepared
# statement that is missing or exists twice belongs to another session: a connection pooler has mixed them up.
CONNECTION_CLASS = "08"
CONNECTION_STATES = frozenset({"25006", "25P03", "26000", "42P05", "57P01", "57P02", "57P03", "57P04", "57P05"})
# Of the faults that pass, those after which no other statement can succeed either: the server is not there, has no
# resources, or has become a read-only standby.
AWAY_CLASSES = frozenset({"08", "53", "58"})
LOST_STATES = frozenset({"57P01", "57P02", "57P03"})
AWAY_STATES = frozenset({"25006"}) | LOST_STATES


def sort_fault(context: ExceptionContext) -> DBAPIError | None:
    """Drop a connection that is of no more use, and return the error to raise instead of the driver's, if any.

    A fault that passes becomes an OperationalError. A fault that will not pass, however often the statement is
    repeated, becomes a plain DatabaseError: psycopg files limits of PostgreSQL, such as an index row that is too large,
    under OperationalError, as it does lost connections. An error without a SQLSTATE is one of the connection.
    """
    error, state = context.sqlalchemy_exception, getattr(context.original_exception, "sqlstate", None)
    if not isinstance(error, DBAPIError) or error.orig is None or state is None:
        return None
    if state.startswith(CONNECTION_CLASS) or state in CONNECTION_STATES:
        # The pool connects anew: if the address has several hosts, to the present primary.
        context.is_disconnect = True
        return OperationalError(
            error.statement, error.params, error.orig, hide_parameters=True, connection_invalidated=True
        )
    if not isinstance(error, OperationalError | InternalError) or context.is_disconnect:
        return None
    if state[:2] in PASSING_CLASSES or state in PASSING_STATES:
        return None
    return DatabaseError(error.statement, error.params, error.orig, hide_parameters=True)


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of a driver's error, or None if it has none."""
    state: str | None = getattr(getattr(error, "orig", None), "sqlstate", None)
    return state


def is_connection_lost(error: BaseException) -> bool:
    """Return whether the server, or the way to it, ended the connection."""
    state = sqlstate_of(error)
    if state is None:
        return isinstance(error, OperationalError | InterfaceError)
    return state.startswith(CONNECTION_CLASS) or state in LOST_STATES


def are_servers_away(error: BaseException) -> bool:
    """Return whether a fault that passes concerns every statement, and not only that of one request."""
    state = sqlstate_of(error)
    if state is None:
        return isinstance(error, OperationalError | InterfaceError)
    return state[:2] in AWAY_CLASSES or state in AWAY_STATES
