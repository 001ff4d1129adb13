"""Keys of text become uuid, with what refers to them: users, their conversations, and the messages of these."""

from __future__ import annotations

from benchmarks.old_shape.cases.case import Case, Statement
from benchmarks.old_shape.one_table import Converted, kept_in_step

_TABLES = """
CREATE TABLE users (id varchar(36) PRIMARY KEY, email text NOT NULL);
CREATE TABLE conversations (id text PRIMARY KEY, user_id varchar(36) NOT NULL REFERENCES users, title text NOT NULL,
    created_at timestamptz NOT NULL);
CREATE TABLE messages (id bigserial PRIMARY KEY, conversation_id text NOT NULL REFERENCES conversations
    ON DELETE CASCADE, content text NOT NULL, created_at timestamptz NOT NULL);
INSERT INTO users SELECT {user}, 'user.' || u || '@example.com' FROM generate_series(1, {rows} / 100) u;
INSERT INTO conversations
SELECT {conversation}, {user}, repeat('title ' || i || ' ', 10), '2026-01-01'::timestamptz + i * interval '1 minute'
FROM (SELECT i, 1 + i % ({rows} / 100) AS u FROM generate_series(1, {rows}) i) i;
INSERT INTO messages (conversation_id, content, created_at)
SELECT {conversation}, repeat('message ' || i, 20), '2026-01-01'::timestamptz + i * interval '1 minute'
FROM generate_series(1, {rows}) i, generate_series(1, 2);
CREATE INDEX ON conversations (user_id, created_at);
CREATE INDEX ON messages (conversation_id, created_at);
"""

_MIGRATION = """
name = "keys"
database = "bench"

[[operation]]
kind = "convert_column"
table = "public.users"
column = "id"
to = "uuid"

[[operation]]
kind = "convert_column"
table = "public.conversations"
column = "id"
to = "uuid"
"""

_KEPT = "SELECT id FROM conversations WHERE hashtext(id) & 3 <> 0 ORDER BY md5('{}' || id)"
_UNUSUAL = "SELECT id FROM conversations WHERE hashtext(id) & 3 <> 0 AND id <> lower(id) ORDER BY md5(id)"
_USERS = "SELECT id FROM users ORDER BY md5('{}' || id)"

_BY_KEY = "SELECT id, user_id, title, created_at FROM conversations WHERE id = %s"
_UPDATE = "UPDATE conversations SET title = 'written anew' WHERE id = %s"


def _statements(conversation: str) -> tuple[Statement, ...]:
    new = (
        f"SELECT {conversation}, u.id, 'new', '2027-01-01'::timestamptz + i * interval '1 minute' "
        "FROM generate_series(10000001, 10005000) i "
        "CROSS JOIN LATERAL (SELECT id FROM users ORDER BY md5(i || id) LIMIT 1) u"
    )
    return (
        Statement("read by key", _BY_KEY, _KEPT.format("r")),
        Statement(
            "page of 50 by a reference, by time",
            "SELECT id, user_id, title, created_at FROM conversations WHERE user_id = %s "
            "ORDER BY created_at DESC LIMIT 50",
            _USERS.format("p"),
        ),
        Statement(
            "page of 50 with a count of a join",
            "SELECT c.id, c.title, count(m.id) FROM conversations c LEFT JOIN messages m ON m.conversation_id = c.id "
            "WHERE c.user_id = %s GROUP BY c.id, c.title, c.created_at ORDER BY c.created_at DESC LIMIT 50",
            _USERS.format("j"),
        ),
        Statement(
            "INSERT",
            "INSERT INTO conversations (id, user_id, title, created_at) VALUES (%s, %s, %s, %s) RETURNING id",
            new,
        ),
        Statement(
            "INSERT that refers, numbered",
            "INSERT INTO messages (conversation_id, content, created_at) VALUES (%s, 'new', '2027-01-01') RETURNING id",
            _KEPT.format("m"),
        ),
        Statement("UPDATE of one column by key", _UPDATE, _KEPT.format("u")),
        Statement(
            "DELETE by key, with what refers",
            "DELETE FROM conversations WHERE id = %s",
            "SELECT id FROM conversations WHERE hashtext(id) & 3 = 0 ORDER BY md5(id)",
        ),
    )


def _one_table() -> str:
    return kept_in_step(
        {
            "users": (Converted("id"),),
            "conversations": (Converted("id"), Converted("user_id", "REFERENCES users (id_new)")),
            "messages": (Converted("conversation_id", "REFERENCES conversations (id_new) ON DELETE CASCADE"),),
        },
        """
CREATE INDEX ON conversations (user_id_new, created_at);
CREATE INDEX ON messages (conversation_id_new, created_at);
""",
    )


def case(*, unusual: bool) -> Case:
    """All ids written as uuid is; or one in 50 in upper case."""
    plain = "md5('{what}' || {n})::uuid::text"
    text = f"CASE WHEN {{n}} % 50 = 7 THEN upper({plain}) ELSE {plain} END" if unusual else plain
    user, conversation = text.format(n="u", what="u"), text.format(n="i", what="c")
    tables = _TABLES.replace("{user}", user).replace("{conversation}", conversation)
    further = (
        Statement("read by key, written unusually", _BY_KEY, _UNUSUAL),
        Statement("UPDATE of one column by key, written unusually", _UPDATE, _UNUSUAL),
    )
    return Case(
        "unusual" if unusual else "canonical",
        f"keys of text become uuid, {'2 % of them written in upper case' if unusual else 'all written as uuid is'}",
        tables,
        ("users", "conversations", "messages"),
        _MIGRATION,
        _statements(conversation) + (further if unusual else ()),
        _one_table(),
    )
