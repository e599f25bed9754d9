"""What the database role that is logged in may do, where a verb depends on it."""

from registry.database.connection import Connection
from registry.database.queries import one_row


def may_read_tokens(connection: Connection) -> bool:
    """Whether it may read the log itself, encrypted fields included; an auditor may not."""
    row = connection.execute("SELECT has_table_privilege('public.audit_events', 'SELECT')")
    (may,) = one_row(row)
    return bool(may)
