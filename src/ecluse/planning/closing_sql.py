"""A table that is closed for writing while, and after, it moves to another database. Pure."""

from __future__ import annotations

from ecluse.model.names import ident, literal, short
from ecluse.model.plan import Move
from ecluse.planning import ddl_text, flow_sql

# The setting by which our own session, carrying new writes home, is told from everybody else's.
HOME_SETTING = "ecluse.carries_home"
TRIGGER = "aa_ecluse_closed"  # before all others: what they would do is not done either


def _function(run: int, move: Move) -> str:
    return f"{flow_sql.JOURNAL}.{ident(short(f'closed_{run}_{move.old.alias}'))}"


def close(run: int, move: Move, migration: str, database: str) -> tuple[str, ...]:
    """Refuse every write, also TRUNCATE and COPY; the first statement is the lock, which waits for running writers.

    The application's own triggers are switched off: rows that come home must not be changed on the way.
    """
    name, function = move.old.table.name, _function(run, move)
    said = literal(f"{name} is closed for writing: it moves to database '{database}' (migration '{migration}')")
    where = literal(f"write to {move.new.table.name} in '{database}'; reading goes on here")
    return (
        f"LOCK TABLE {name.sql} IN SHARE ROW EXCLUSIVE MODE",
        f"DROP TRIGGER IF EXISTS {TRIGGER} ON {name.sql}",
        f"""CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $closed$
BEGIN
  IF pg_catalog.current_setting('{HOME_SETTING}', true) IS DISTINCT FROM '{run}' THEN
    RAISE EXCEPTION USING ERRCODE = 'read_only_sql_transaction', MESSAGE = {said}, HINT = {where};
  END IF;
  RETURN NULL;
END $closed$""",
        f"REVOKE ALL ON FUNCTION {function}() FROM PUBLIC",
        f"CREATE TRIGGER {TRIGGER} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {name.sql} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
        f"ALTER TABLE {name.sql} ENABLE ALWAYS TRIGGER {TRIGGER}",
        *(f"ALTER TABLE {name.sql} DISABLE TRIGGER {ident(t.name)}" for t in move.old.table.triggers),
    )


def reopen(run: int, move: Move) -> tuple[str, ...]:
    """Undo of `close`; may be run where the table is open."""
    table = move.old.table
    return (
        f"LOCK TABLE {table.name.sql} IN SHARE ROW EXCLUSIVE MODE",
        f"DROP TRIGGER IF EXISTS {TRIGGER} ON {table.name.sql}",
        *ddl_text.restored_states(table.name, "TRIGGER", [(t.name, t.enabled) for t in table.triggers]),
        drop_function(run, move),
    )


def drop_function(run: int, move: Move) -> str:
    """Drop what refused the writes; its trigger must be gone."""
    return f"DROP FUNCTION IF EXISTS {_function(run, move)}()"
