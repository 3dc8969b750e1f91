"""What Postgres knows of those who use this database."""

from sqlalchemy import text
from sqlalchemy.orm import Session

# Its own statistics, in memory. Of connections of another role it says nothing, and they count as idle.
_OTHERS = text("""
    SELECT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
              AND (state = 'active' OR state_change > clock_timestamp() - interval '1 second')
    )
""")


def others_are_at_work(session: Session) -> bool:
    """This function will tell whether another connection runs a statement, or has done so within a second."""
    return bool(session.execute(_OTHERS).scalar_one())
