"""A connection to the database that was lost while it was idle: by a restart of the server, or by a firewall."""

from django.db import connection


def drop_lost_connection() -> None:
    """Close the connection of this thread when its server has ended it: the next query opens another one.

    A backup may leave it idle for hours. Not inside a transaction, of which a part would be lost.
    """
    if connection.connection is not None and not connection.in_atomic_block and not connection.is_usable():
        connection.close()
