"""The hazards: what is put into the database beforehand, who disturbs, and when the program is killed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.safety import disturbers
from benchmarks.safety.disturbers import Disturber

Kill = float | Literal["switch"] | None
"""A share of the time that the program takes undisturbed; or in its last change of the tables."""


@dataclass(frozen=True, slots=True)
class Hazard:
    """`put`: statements of the owner, one after the other; one that begins with `!` fails as it should."""

    name: str
    title: str
    put: Sequence[str] = ()
    admin: Sequence[str] = ()  # what only a superuser may put there
    disturber: Disturber = field(default=disturbers.quiet)
    kill: Kill = None
    again: bool = False
    times: int = 1  # where chance has a say: how often it is tried; the worst outcome counts
    for_copies: str = ""  # why it is nothing for a tool that copies the database to another server


_ALL = "id, session_id, user_id, question, response, status, created_at"
_CONVERTS_NOTHING = "a copy converts nothing"
_SNAPSHOT = (
    "`clone` copies one snapshot; what is written meanwhile comes by `--follow`, which needs test_decoding or "
    "wal2json, and this server has neither"
)

NOTHING = Hazard("nothing", "nothing (control)")

HAZARDS = (
    NOTHING,
    Hazard(
        "force-rls",
        "FORCE ROW LEVEL SECURITY",
        (
            "ALTER TABLE conversations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
            "ALTER TABLE tags ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
            "CREATE POLICY own ON conversations USING (user_id = current_setting('app.user', true))",
            "CREATE POLICY own ON tags USING (current_setting('app.user', true) <> '')",
        ),
    ),
    Hazard(
        "policy",
        "policy on the column",
        (
            "ALTER TABLE conversations ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY one ON conversations TO reader USING (id = current_setting('app.conversation', true) "
            "OR user_id = 'user-8')",
        ),
    ),
    Hazard(
        "view",
        "view on the column",
        (
            "CREATE VIEW still_open AS SELECT id, session_id, created_at FROM conversations WHERE status = 'open'",
            "GRANT SELECT ON still_open TO reader",
        ),
    ),
    Hazard(
        "publication",
        "publication with a column list",
        ("CREATE PUBLICATION feed FOR TABLE conversations (id, session_id, status), TABLE tags (id, conversation_id)",),
    ),
    Hazard(
        "invalid-index",
        "left-over INVALID index",
        ("!CREATE UNIQUE INDEX CONCURRENTLY left_over ON conversations (session_id)",),
    ),
    Hazard("reader", "reader of 30 s", disturber=disturbers.long_reader),
    Hazard("deadlocks", "deadlock loop", disturber=disturbers.deadlocks, times=3, for_copies=_SNAPSHOT),
    Hazard("kill-30", "`kill -9` at 30 %", kill=0.3),
    Hazard("kill-60", "`kill -9` at 60 %", kill=0.6),
    Hazard("kill-switch", "`kill -9` in the switch", kill="switch"),
    Hazard("again", "second run", again=True),
    Hazard(
        "no-uuid",
        "ids that are no UUIDs",
        (
            f"INSERT INTO conversations ({_ALL}) SELECT 'import-' || n, 'web', 'user-9', 'q', 'r', 'open', "
            "timestamptz '2024-06-01Z' FROM generate_series(1, 12) n",
            "INSERT INTO tags (conversation_id, tag) VALUES ('import-3', 'old')",
        ),
        for_copies=_CONVERTS_NOTHING,
    ),
    Hazard(
        "case-twins",
        "case twins",
        (
            f"INSERT INTO conversations ({_ALL}) SELECT upper(id), session_id, user_id, 'another', response, status, "
            "created_at FROM conversations WHERE user_id = 'user-11'",
            "INSERT INTO tags (conversation_id, tag) SELECT id, 'twin' FROM conversations WHERE question = 'another'",
        ),
        for_copies=_CONVERTS_NOTHING,
    ),
    Hazard(
        "orphans",
        "orphans",
        admin=(
            "SET session_replication_role = replica",
            "DELETE FROM conversations WHERE user_id = 'user-15'",
            "RESET session_replication_role",
        ),
    ),
    Hazard("inserts", "concurrent inserts", disturber=disturbers.inserts, for_copies=_SNAPSHOT),
)
