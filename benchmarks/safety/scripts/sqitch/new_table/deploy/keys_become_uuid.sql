-- New tables with uuid keys take the place of conversations and tags; the old ones stay beside them as a way back.
BEGIN;
SET LOCAL lock_timeout = '5s';
LOCK TABLE conversations, tags IN ACCESS EXCLUSIVE MODE;

DO $$
DECLARE
    wrong bigint;
BEGIN
    SELECT count(*) INTO wrong FROM (SELECT id FROM conversations UNION ALL SELECT conversation_id FROM tags) AS ids
    WHERE id !~* '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$';
    IF wrong > 0 THEN
        RAISE EXCEPTION 'refused: % values are no UUIDs', wrong;
    END IF;
END
$$;

CREATE TABLE conversations_new (LIKE conversations INCLUDING ALL);
ALTER TABLE conversations_new ALTER id DROP DEFAULT, ALTER id TYPE uuid USING id::uuid,
    ALTER id SET DEFAULT gen_random_uuid();
CREATE TABLE tags_new (LIKE tags INCLUDING ALL);
ALTER TABLE tags_new ALTER conversation_id TYPE uuid USING conversation_id::uuid;

INSERT INTO conversations_new SELECT id::uuid, session_id, user_id, question, response, status, created_at
FROM conversations;
INSERT INTO tags_new SELECT id, conversation_id::uuid, tag FROM tags;
SELECT setval(pg_get_serial_sequence('tags_new', 'id'), greatest(max(id), 1)) FROM tags_new;

DO $$
BEGIN
    IF (SELECT count(*) FROM conversations_new) <> (SELECT count(*) FROM conversations)
        OR (SELECT count(*) FROM tags_new) <> (SELECT count(*) FROM tags) THEN
        RAISE EXCEPTION 'refused: not all rows were copied';
    END IF;
END
$$;

ALTER TABLE tags_new ADD CONSTRAINT tags_new_conversation_id_fkey
    FOREIGN KEY (conversation_id) REFERENCES conversations_new (id) ON DELETE CASCADE;
GRANT SELECT, INSERT, UPDATE ON conversations_new, tags_new TO reader;

ALTER TABLE conversations RENAME TO conversations_old;
ALTER TABLE tags RENAME TO tags_old;
ALTER TABLE conversations_new RENAME TO conversations;
ALTER TABLE tags_new RENAME TO tags;
COMMIT;
