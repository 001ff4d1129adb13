"""One session for each database, opened when it is needed; a database that did not answer once is not asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from ecluse.errors import (
    CannotConnect,
    ConnectionLost,
    EcluseError,
    EmbeddedServerFailed,
    MissingVariable,
    ServerTooOld,
)
from ecluse.postgres.connect import Database, Session, open_session
from ecluse.postgres.failures import translate

_AWAY = (CannotConnect, ConnectionLost, EmbeddedServerFailed, MissingVariable, ServerTooOld)


class DatabaseAway(Exception):
    """A database does not answer; `error` says why. The caller makes an outcome of it, never a value."""

    def __init__(self, error: EcluseError) -> None:
        super().__init__(error.message)
        self.error = error


class Sessions:
    """Sessions by the name of a database in `ecluse.toml`."""

    def __init__(self, find: Callable[[str], Database]) -> None:
        self._find = find
        self._open: dict[str, Session] = {}
        self.away: dict[str, EcluseError] = {}

    @contextmanager
    def use(self, database: str) -> Iterator[Session]:
        """The session; raises DatabaseAway where there is none, or where it breaks, and other errors as ours."""
        if database in self.away:
            raise DatabaseAway(self.away[database])
        try:
            if database not in self._open:
                self._open[database] = open_session(self._find(database), role="identity")
            yield self._open[database]
        except _AWAY as error:
            raise self._gone(database, error) from None
        except psycopg.Error as error:
            told = translate(error, "nothing was changed")
            if isinstance(told, ConnectionLost):
                raise self._gone(database, told) from None
            raise told from None

    def close(self) -> None:
        """Close all."""
        for session in self._open.values():
            session.close()
        self._open.clear()

    def _gone(self, database: str, error: EcluseError) -> DatabaseAway:
        self.away[database] = error
        return DatabaseAway(error)
