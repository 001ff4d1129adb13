CREATE FUNCTION pg_temp.new(old text) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN CASE old WHEN 'ann@example.org' THEN 'a0000000-0000-4000-8000-000000000001'
                    WHEN 'Ann@Example.org' THEN 'a0000000-0000-4000-8000-000000000001'
                    WHEN 'b0000000-0000-4000-8000-000000000002' THEN 'a0000000-0000-4000-8000-000000000003'
                    WHEN 'B0000000-0000-4000-8000-000000000002' THEN 'a0000000-0000-4000-8000-000000000003' ELSE old END;
CREATE FUNCTION pg_temp.document(d jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE n integer; e jsonb;
BEGIN
    IF jsonb_typeof(d -> 'user' -> 'id') = 'string' THEN
        d := jsonb_set(d, '{user,id}', to_jsonb(pg_temp.new(d -> 'user' ->> 'id')));
    END IF;
    IF jsonb_typeof(d -> 'seen') = 'array' THEN
        FOR n IN 0 .. jsonb_array_length(d -> 'seen') - 1 LOOP
            e := d -> 'seen' -> n;
            IF jsonb_typeof(e -> 'by') = 'string' THEN
                d := jsonb_set(d, ARRAY['seen', n::text, 'by'], to_jsonb(pg_temp.new(e ->> 'by')));
            END IF;
        END LOOP;
    END IF;
    RETURN d;
END $$;
UPDATE conversations SET user_id = pg_temp.new(user_id);
UPDATE events SET payload = pg_temp.document(payload);
UPDATE teams SET lead = pg_temp.new(lead::text)::uuid;
UPDATE teams SET members = (SELECT array_agg(pg_temp.new(v) ORDER BY n) FROM unnest(members) WITH ORDINALITY u(v, n))
WHERE members && ARRAY['ann@example.org', 'Ann@Example.org', 'b0000000-0000-4000-8000-000000000002',
                       'B0000000-0000-4000-8000-000000000002']::varchar[];
