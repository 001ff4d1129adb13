CREATE FUNCTION pg_temp.new(old text) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN old ~ '^[0-9a-fA-F-]{36}$' THEN old::uuid
    ELSE overlay(overlay(left(encode(sha256(('public.conversations.id:' || old)::bytea), 'hex'), 32)
                         placing '8' from 13) placing '8' from 17)::uuid END;
CREATE FUNCTION pg_temp.document(d jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE n integer; e jsonb;
BEGIN
    IF jsonb_typeof(d -> 'conversation_id') = 'string' THEN
        d := d || jsonb_build_object('conversation_id', pg_temp.new(d ->> 'conversation_id'));
    END IF;
    IF jsonb_typeof(d -> 'seen') = 'array' THEN
        FOR n IN 0 .. jsonb_array_length(d -> 'seen') - 1 LOOP
            e := d -> 'seen' -> n;
            IF jsonb_typeof(e -> 'conversation_id') = 'string' THEN
                d := jsonb_set(d, ARRAY['seen', n::text, 'conversation_id'], to_jsonb(pg_temp.new(e ->> 'conversation_id')));
            END IF;
        END LOOP;
    END IF;
    RETURN d;
END $$;
CREATE FUNCTION pg_temp.ids(old text[]) RETURNS uuid[] LANGUAGE sql IMMUTABLE
    RETURN (SELECT coalesce(array_agg(pg_temp.new(v) ORDER BY n), '{}') FROM unnest(old) WITH ORDINALITY u(v, n));
DROP INDEX digests_ids;
ALTER TABLE conversations ALTER id TYPE uuid USING pg_temp.new(id);
UPDATE analytics_events SET payload = pg_temp.document(payload);
ALTER TABLE digests ALTER conversation_ids DROP DEFAULT, ALTER conversation_ids TYPE uuid[] USING pg_temp.ids(conversation_ids),
    ALTER conversation_ids SET DEFAULT '{}'::uuid[];
CREATE INDEX digests_ids ON digests USING gin (conversation_ids);
