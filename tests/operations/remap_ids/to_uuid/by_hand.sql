CREATE FUNCTION pg_temp.new(old text) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN old = '10000000-0000-4000-8000-000000000000' THEN '20000000-0000-4000-8000-000000000000'
                WHEN old = '20000000-0000-4000-8000-000000000000' OR old ILIKE 'ann@example.org' THEN '10000000-0000-4000-8000-000000000000' END::uuid;
DELETE FROM messages USING conversations c
WHERE c.id = conversation_id AND ((c.user_id IS NOT NULL AND pg_temp.new(c.user_id) IS NULL) OR 'who' = ANY (c.watchers));
DELETE FROM conversations c WHERE (c.user_id IS NOT NULL AND pg_temp.new(c.user_id) IS NULL) OR 'who' = ANY (c.watchers);
DELETE FROM events WHERE (who IS NOT NULL AND pg_temp.new(who::text) IS NULL) OR pg_temp.new(payload ->> 'by') IS NULL;
DROP INDEX conversations_user_id;
ALTER TABLE conversations ALTER user_id DROP DEFAULT, ALTER user_id TYPE uuid USING pg_temp.new(user_id), ALTER user_id SET DEFAULT gen_random_uuid();
CREATE INDEX conversations_user_id ON conversations (user_id);
CREATE FUNCTION pg_temp.ids(old text[]) RETURNS uuid[] LANGUAGE sql IMMUTABLE
    RETURN (SELECT coalesce(array_agg(pg_temp.new(v) ORDER BY n), '{}') FROM unnest(old) WITH ORDINALITY u(v, n));
ALTER TABLE conversations ALTER watchers DROP DEFAULT, ALTER watchers TYPE uuid[] USING pg_temp.ids(watchers), ALTER watchers SET DEFAULT '{}'::uuid[];
UPDATE events SET who = pg_temp.new(who::text), payload = payload || jsonb_build_object('by', pg_temp.new(payload ->> 'by'));
