"""What people do today, and the floor. Each does the whole job on `conversations.id` and `tags.conversation_id`."""

from __future__ import annotations

from benchmarks.cases import scripts
from benchmarks.cases.case import Notes, Peer
from benchmarks.ground import Connection

_FOREIGN_KEY = "ADD CONSTRAINT tags_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations (id)"

_BLOCKING = (
    "ALTER TABLE tags DROP CONSTRAINT tags_conversation_id_fkey",
    "ALTER TABLE conversations ALTER id DROP DEFAULT, ALTER id TYPE uuid USING id::uuid, "
    "ALTER id SET DEFAULT gen_random_uuid()",
    "ALTER TABLE tags ALTER conversation_id TYPE uuid USING conversation_id::uuid",
    f"ALTER TABLE tags {_FOREIGN_KEY} ON DELETE CASCADE",
)


def blocking(conninfo: str) -> Notes:
    """`ALTER TABLE ... TYPE uuid USING`, both tables, in one transaction: the application waits."""
    scripts.at_once(conninfo, _BLOCKING, "conversations, tags")
    return {}


# --- the batched UPDATE -----------------------------------------------------------------------------

_SHADOWS = """
ALTER TABLE conversations ADD COLUMN id_new uuid;
ALTER TABLE tags ADD COLUMN conversation_id_new uuid;
CREATE FUNCTION sync_id() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.id_new := NEW.id::uuid; RETURN NEW; END';
CREATE FUNCTION sync_conversation_id() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.conversation_id_new := NEW.conversation_id::uuid; RETURN NEW; END';
CREATE TRIGGER sync BEFORE INSERT OR UPDATE OF id ON conversations
    FOR EACH ROW EXECUTE FUNCTION sync_id();
CREATE TRIGGER sync BEFORE INSERT OR UPDATE OF conversation_id ON tags
    FOR EACH ROW EXECUTE FUNCTION sync_conversation_id();
"""

# What a batch sets: the shadow column itself, or the old column to itself, so that the trigger does the work.
_SET = "{shadow} = t.{column}::uuid"
_TOUCH = "{column} = t.{column}"

_BACKFILL = """
WITH batch AS (
    SELECT {key} FROM {table} WHERE {key} > %s ORDER BY {key} LIMIT {limit} FOR NO KEY UPDATE
), done AS (
    UPDATE {table} t SET {change} FROM batch WHERE t.{key} = batch.{key} RETURNING t.{key}
)
SELECT max({key}) FROM done
"""

_INDEXES = (
    "CREATE UNIQUE INDEX CONCURRENTLY conversations_id_new_idx ON conversations (id_new)",
    "CREATE INDEX CONCURRENTLY tags_conversation_new_idx ON tags (conversation_id_new)",
    "ALTER TABLE conversations ADD CONSTRAINT filled CHECK (id_new IS NOT NULL) NOT VALID",
    "ALTER TABLE conversations VALIDATE CONSTRAINT filled",
    "ALTER TABLE tags ADD CONSTRAINT filled CHECK (conversation_id_new IS NOT NULL) NOT VALID",
    "ALTER TABLE tags VALIDATE CONSTRAINT filled",
    "ALTER TABLE tags ADD CONSTRAINT tags_new_fkey FOREIGN KEY (conversation_id_new) "
    "REFERENCES conversations (id_new) ON DELETE CASCADE NOT VALID",
    "ALTER TABLE tags VALIDATE CONSTRAINT tags_new_fkey",
)

_SWAP = """
LOCK TABLE conversations, tags IN ACCESS EXCLUSIVE MODE;
DROP TRIGGER sync ON conversations;
DROP TRIGGER sync ON tags;
ALTER TABLE tags DROP COLUMN conversation_id;
ALTER TABLE tags RENAME conversation_id_new TO conversation_id;
ALTER TABLE tags ALTER conversation_id SET NOT NULL;
ALTER TABLE tags DROP CONSTRAINT filled;
ALTER TABLE tags RENAME CONSTRAINT tags_new_fkey TO tags_conversation_id_fkey;
ALTER INDEX tags_conversation_new_idx RENAME TO tags_conversation_idx;
ALTER TABLE conversations DROP COLUMN id;
ALTER TABLE conversations RENAME id_new TO id;
ALTER TABLE conversations ALTER id SET NOT NULL, ALTER id SET DEFAULT gen_random_uuid();
ALTER TABLE conversations DROP CONSTRAINT filled;
ALTER TABLE conversations ADD CONSTRAINT conversations_pkey PRIMARY KEY USING INDEX conversations_id_new_idx;
"""


def batched(conninfo: str) -> Notes:
    """A shadow column, a trigger, batches of 1,000 that fill it themselves, indexes concurrently, a swap (GitLab)."""
    return _in_batches(conninfo, _SET)


def touched(conninfo: str) -> Notes:
    """The same, but batches of 1,000 only touch rows and the trigger fills the column (pgroll, reshape)."""
    return _in_batches(conninfo, _TOUCH)


def _in_batches(conninfo: str, change: str) -> Notes:
    with scripts.session(conninfo) as conn:
        with conn.transaction():
            conn.execute(_SHADOWS)
        _backfill(conn, change, "conversations", "id", "id", "id_new", "")
        _backfill(conn, change, "tags", "id", "conversation_id", "conversation_id_new", 0)
        scripts.in_turn(conn, _INDEXES)
        with conn.transaction():
            conn.execute(_SWAP)
        conn.execute("ANALYZE conversations, tags")
    return {}


def _backfill(conn: Connection, change: str, table: str, key: str, column: str, shadow: str, last: object) -> None:
    change = change.format(column=column, shadow=shadow)
    scripts.fill(conn, _BACKFILL.format(table=table, key=key, change=change, limit=scripts.BATCH), last)


# --- the floor --------------------------------------------------------------------------------------

_FLOOR = (
    "CREATE TABLE next.conversations AS SELECT id::uuid AS id, session_id, user_id, question, response, status, "
    "created_at FROM public.conversations",
    "CREATE TABLE next.tags AS SELECT id, conversation_id::uuid AS conversation_id, tag FROM public.tags",
    "ALTER TABLE next.conversations ADD CONSTRAINT conversations_pkey PRIMARY KEY (id)",
    "CREATE INDEX conversations_session_idx ON next.conversations (session_id)",
    "CREATE INDEX conversations_user_idx ON next.conversations (user_id, created_at DESC)",
    "ALTER TABLE next.tags ADD CONSTRAINT tags_pkey PRIMARY KEY (id)",
    "CREATE INDEX tags_conversation_idx ON next.tags (conversation_id)",
    "ALTER TABLE next.tags ADD CONSTRAINT tags_conversation_id_fkey FOREIGN KEY (conversation_id) "
    "REFERENCES next.conversations (id) ON DELETE CASCADE",
    "ANALYZE next.conversations, next.tags",
)


def floor(conninfo: str) -> Notes:
    """CREATE TABLE AS and the same indexes and constraints: loses what is written meanwhile, and proves nothing."""
    with scripts.session(conninfo) as conn:
        conn.execute("CREATE SCHEMA next")
        scripts.in_turn(conn, _FLOOR)
    return {}


PEERS = {
    "floor": Peer("floor: `CREATE TABLE AS`, same indexes", floor),
    "blocking": Peer("`ALTER TABLE … TYPE`, blocking", blocking),
    "batched": Peer("batched `UPDATE` that sets, with trigger", batched),
    "touched": Peer("batched `UPDATE` that touches, with trigger", touched),
}
