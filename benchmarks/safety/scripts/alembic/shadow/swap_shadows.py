"""Step 3 of 3: the new columns take the place of the old ones, in one short transaction."""

from __future__ import annotations

from alembic import op

revision = "swap_shadows"
down_revision = "fill_shadows"

_SWAP = (
    "LOCK TABLE conversations, tags IN ACCESS EXCLUSIVE MODE",
    "DROP TRIGGER shadow ON conversations",
    "DROP TRIGGER shadow ON tags",
    "DROP FUNCTION conversations_shadow(), tags_shadow()",
    "ALTER TABLE tags DROP COLUMN conversation_id",
    "ALTER TABLE tags RENAME conversation_id_new TO conversation_id",
    "ALTER TABLE tags ALTER conversation_id SET NOT NULL, DROP CONSTRAINT tags_filled",
    "ALTER TABLE tags RENAME CONSTRAINT tags_conversation_id_new_fkey TO tags_conversation_id_fkey",
    "ALTER INDEX tags_conversation_id_new_idx RENAME TO tags_conversation_idx",
    "ALTER TABLE conversations DROP COLUMN id",
    "ALTER TABLE conversations RENAME id_new TO id",
    "ALTER TABLE conversations ALTER id SET NOT NULL, ALTER id SET DEFAULT gen_random_uuid(), "
    "DROP CONSTRAINT conversations_filled, "
    "ADD CONSTRAINT conversations_pkey PRIMARY KEY USING INDEX conversations_id_new_idx",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in _SWAP:
        op.execute(statement)


def downgrade() -> None:
    raise SystemExit("refused: the old columns are gone; restore the backup")
