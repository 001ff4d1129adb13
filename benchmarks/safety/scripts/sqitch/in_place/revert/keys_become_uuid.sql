-- The keys become text again.
BEGIN;
SET LOCAL lock_timeout = '5s';
LOCK TABLE conversations, tags IN ACCESS EXCLUSIVE MODE;
ALTER TABLE tags DROP CONSTRAINT tags_conversation_id_fkey;
ALTER TABLE conversations ALTER id DROP DEFAULT, ALTER id TYPE text USING id::text,
    ALTER id SET DEFAULT gen_random_uuid()::text;
ALTER TABLE tags ALTER conversation_id TYPE text USING conversation_id::text;
ALTER TABLE tags ADD CONSTRAINT tags_conversation_id_fkey
    FOREIGN KEY (conversation_id) REFERENCES conversations (id) ON DELETE CASCADE;
COMMIT;
