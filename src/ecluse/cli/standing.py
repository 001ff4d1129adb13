"""What a migration has come to already, so that there is nothing to plan or to apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecluse.postgres.connect import Database


def standing(database: Database, migration: str) -> dict[str, Any] | None:
    """The run behind which nothing is left to be planned: the last one, where it is switched or finished."""
    from ecluse.engine.status import last_run, next_commands, old_shape_of

    record = last_run(database, migration)
    if record is None or record.status not in ("switched", "finished"):
        return None
    kept = old_shape_of(database, migration)
    return {
        "migration": migration,
        "database": str(database),
        "run": record.id,
        "fingerprint": record.fingerprint,
        "status": record.status,
        "since": record.switched_at if record.status == "switched" else record.ended_at,
        "nothing_to_do": True,
        "next": list(next_commands(record, old_shape=kept is not None)),
        "old_shape": kept,
    }
