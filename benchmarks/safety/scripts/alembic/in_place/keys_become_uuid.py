"""conversations.id and tags.conversation_id become uuid, in place, while the application waits."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import UUID

revision = "keys_become_uuid"
down_revision = None

_NO_UUID = "SELECT count(*) FROM {table} WHERE {column} !~* '^[0-9a-f]{{8}}-([0-9a-f]{{4}}-){{3}}[0-9a-f]{{12}}$'"
_COLUMNS = {"conversations": "id", "tags": "conversation_id"}


def upgrade() -> None:
    connection = op.get_bind()
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("LOCK TABLE conversations, tags IN ACCESS EXCLUSIVE MODE")
    before = {table: connection.scalar(text(f"SELECT count(*) FROM {table}")) for table in _COLUMNS}
    for table, column in _COLUMNS.items():
        op.execute(f"CREATE TABLE {table}_backup AS SELECT * FROM {table}")
        if wrong := connection.scalar(text(_NO_UUID.format(table=table, column=column))):
            raise SystemExit(f"refused: {wrong} values of {table}.{column} are no UUIDs")
    op.drop_constraint("tags_conversation_id_fkey", "tags", type_="foreignkey")
    op.alter_column("conversations", "id", server_default=None)
    op.alter_column("conversations", "id", type_=UUID(), postgresql_using="id::uuid")
    op.alter_column("conversations", "id", server_default=text("gen_random_uuid()"))
    op.alter_column("tags", "conversation_id", type_=UUID(), postgresql_using="conversation_id::uuid")
    op.create_foreign_key(
        "tags_conversation_id_fkey", "tags", "conversations", ["conversation_id"], ["id"], ondelete="CASCADE"
    )
    for table, rows in before.items():
        if connection.scalar(text(f"SELECT count(*) FROM {table}")) != rows:
            raise SystemExit(f"refused: {table} has not the {rows} rows that it had")


def downgrade() -> None:
    op.drop_constraint("tags_conversation_id_fkey", "tags", type_="foreignkey")
    op.alter_column("conversations", "id", server_default=None)
    op.alter_column("conversations", "id", type_=Text(), postgresql_using="id::text")
    op.alter_column("conversations", "id", server_default=text("gen_random_uuid()::text"))
    op.alter_column("tags", "conversation_id", type_=Text(), postgresql_using="conversation_id::text")
    op.create_foreign_key(
        "tags_conversation_id_fkey", "tags", "conversations", ["conversation_id"], ["id"], ondelete="CASCADE"
    )
