-- conversations.id and tags.conversation_id become uuid, in place, while the application waits.
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

ALTER TABLE tags DROP CONSTRAINT tags_conversation_id_fkey;
ALTER TABLE conversations ALTER id DROP DEFAULT, ALTER id TYPE uuid USING id::uuid,
    ALTER id SET DEFAULT gen_random_uuid();
ALTER TABLE tags ALTER conversation_id TYPE uuid USING conversation_id::uuid;
ALTER TABLE tags ADD CONSTRAINT tags_conversation_id_fkey
    FOREIGN KEY (conversation_id) REFERENCES conversations (id) ON DELETE CASCADE;
COMMIT;
