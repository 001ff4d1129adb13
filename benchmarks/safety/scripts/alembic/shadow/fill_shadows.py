"""Step 2 of 3: fill the new columns in batches, and build on them what the old ones have. May be run again."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "fill_shadows"
down_revision = "add_shadows"

_FILL = """
WITH batch AS (SELECT {key} FROM {table} WHERE {key} > :last ORDER BY {key} LIMIT 5000 FOR NO KEY UPDATE), done AS (
    UPDATE {table} t SET {shadow} = t.{column}::uuid FROM batch WHERE t.{key} = batch.{key} AND t.{shadow} IS NULL
)
SELECT max({key}) FROM batch
"""
_BUILD = (
    "DROP INDEX CONCURRENTLY IF EXISTS conversations_id_new_idx",
    "DROP INDEX CONCURRENTLY IF EXISTS tags_conversation_id_new_idx",
    "CREATE UNIQUE INDEX CONCURRENTLY conversations_id_new_idx ON conversations (id_new)",
    "CREATE INDEX CONCURRENTLY tags_conversation_id_new_idx ON tags (conversation_id_new)",
    "ALTER TABLE conversations DROP CONSTRAINT IF EXISTS conversations_filled",
    "ALTER TABLE conversations ADD CONSTRAINT conversations_filled CHECK (id_new IS NOT NULL) NOT VALID",
    "ALTER TABLE conversations VALIDATE CONSTRAINT conversations_filled",
    "ALTER TABLE tags DROP CONSTRAINT IF EXISTS tags_filled",
    "ALTER TABLE tags ADD CONSTRAINT tags_filled CHECK (conversation_id_new IS NOT NULL) NOT VALID",
    "ALTER TABLE tags VALIDATE CONSTRAINT tags_filled",
    "ALTER TABLE tags DROP CONSTRAINT IF EXISTS tags_conversation_id_new_fkey",
    "ALTER TABLE tags ADD CONSTRAINT tags_conversation_id_new_fkey FOREIGN KEY (conversation_id_new) "
    "REFERENCES conversations (id_new) ON DELETE CASCADE NOT VALID",
    "ALTER TABLE tags VALIDATE CONSTRAINT tags_conversation_id_new_fkey",
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '5s'")
        _fill("conversations", "id", "id", "id_new", "")
        _fill("tags", "id", "conversation_id", "conversation_id_new", 0)
        for statement in _BUILD:
            op.execute(statement)


def _fill(table: str, key: str, column: str, shadow: str, last: str | int | None) -> None:
    batch = text(_FILL.format(table=table, key=key, column=column, shadow=shadow))
    while last is not None:
        last = op.get_bind().scalar(batch, {"last": last})


def downgrade() -> None:
    op.execute("ALTER TABLE tags DROP CONSTRAINT tags_conversation_id_new_fkey, DROP CONSTRAINT tags_filled")
    op.execute("ALTER TABLE conversations DROP CONSTRAINT conversations_filled")
    op.execute("DROP INDEX conversations_id_new_idx, tags_conversation_id_new_idx")
