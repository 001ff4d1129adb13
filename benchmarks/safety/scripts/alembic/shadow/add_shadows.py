"""Step 1 of 3: columns of the new type beside the old ones, and triggers that fill them for who writes meanwhile."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "add_shadows"
down_revision = None

_NO_UUID = "SELECT count(*) FROM {table} WHERE {column} !~* '^[0-9a-f]{{8}}-([0-9a-f]{{4}}-){{3}}[0-9a-f]{{12}}$'"
_SHADOWS = {"conversations": ("id", "id_new"), "tags": ("conversation_id", "conversation_id_new")}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, (column, shadow) in _SHADOWS.items():
        if wrong := op.get_bind().scalar(sa.text(_NO_UUID.format(table=table, column=column))):
            raise SystemExit(f"refused: {wrong} values of {table}.{column} are no UUIDs")
        op.add_column(table, sa.Column(shadow, UUID()))
        op.execute(
            f"CREATE FUNCTION {table}_shadow() RETURNS trigger LANGUAGE plpgsql AS "
            f"'BEGIN NEW.{shadow} := NEW.{column}::uuid; RETURN NEW; END'"
        )
        op.execute(
            f"CREATE TRIGGER shadow BEFORE INSERT OR UPDATE OF {column} ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {table}_shadow()"
        )


def downgrade() -> None:
    for table, (_, shadow) in _SHADOWS.items():
        op.execute(f"DROP TRIGGER shadow ON {table}")
        op.execute(f"DROP FUNCTION {table}_shadow()")
        op.drop_column(table, shadow)
