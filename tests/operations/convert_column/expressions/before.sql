-- What reads a text key in words of its own: policies as Supabase's guides have them, checks, defaults, indexes.
CREATE SCHEMA auth;
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$SELECT nullif(current_setting('app.uid', true), '')::uuid$$;
CREATE FUNCTION named(uuid) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT left($1::text, 4)$$;
CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;

CREATE TABLE people (
    id text PRIMARY KEY DEFAULT gen_random_uuid()::text CONSTRAINT id_given CHECK (id <> ''),
    "e-mail" varchar(80),
    short text GENERATED ALWAYS AS (left(id, 8)) STORED
);
CREATE TABLE chats (
    id integer PRIMARY KEY,
    person_id varchar(60) NOT NULL DEFAULT '' REFERENCES people (id) ON DELETE CASCADE,
    keeper text REFERENCES people (id),
    title text,
    CONSTRAINT kept_by_another CHECK (keeper <> person_id),
    CONSTRAINT no_guests CHECK (keeper NOT LIKE 'guest%'),
    CONSTRAINT one_title EXCLUDE USING btree (lower(keeper) WITH =, title WITH =)
);
CREATE INDEX chats_person ON chats (person_id);
CREATE INDEX chats_keeper_like ON chats (keeper COLLATE "C" text_pattern_ops DESC, title) WHERE keeper <> '' AND title <> 'é: keeper';
CREATE UNIQUE INDEX chats_keeper_c ON chats (keeper COLLATE "C", id);
CREATE INDEX chats_lower ON chats (lower(person_id), (keeper || title)) WHERE person_id <> ALL (ARRAY['', 'nobody']);
COMMENT ON INDEX chats_lower IS 'by the lower';
CREATE INDEX chats_root ON chats (title) WHERE keeper = '00000000-0000-0000-0000-00000000000A';
CREATE TRIGGER moved BEFORE UPDATE ON chats FOR EACH ROW WHEN (old.keeper IS DISTINCT FROM new.keeper AND new.person_id <> '') EXECUTE FUNCTION pass();

INSERT INTO people (id, "e-mail") SELECT CASE n % 3 WHEN 0 THEN upper(md5('p' || n)::uuid::text) ELSE md5('p' || n)::uuid::text END,
    'p' || n || '@example.org' FROM generate_series(1, 30) n;
INSERT INTO chats SELECT n, p.id, CASE n % 4 WHEN 1 THEN k.id END, 'chat ' || n
FROM generate_series(1, 60) n JOIN people p ON p."e-mail" = 'p' || n % 30 + 1 || '@example.org'
JOIN people k ON k."e-mail" = 'p' || (n + 7) % 30 + 1 || '@example.org';

ALTER TABLE people ENABLE ROW LEVEL SECURITY;
ALTER TABLE chats ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON people USING (id = (SELECT auth.uid())::text) WITH CHECK (id = auth.uid()::text);
COMMENT ON POLICY own ON people IS 'mine';
CREATE POLICY own_chats ON chats USING (person_id = auth.uid()::text) WITH CHECK (person_id = (SELECT auth.uid()::text));
CREATE POLICY by_setting ON chats FOR SELECT USING (keeper = current_setting('app.keeper', true));
CREATE POLICY of_people ON chats FOR UPDATE USING (person_id IN (SELECT p.id FROM people p WHERE p.id = auth.uid()::text OR p."e-mail" = 'x'));
CREATE POLICY titled ON chats FOR DELETE USING (EXISTS (SELECT FROM people p WHERE p.id = keeper AND named(p.id::uuid) = title));
CREATE POLICY told ON chats AS RESTRICTIVE FOR DELETE USING (keeper LIKE current_setting('app.uid', true) || '%');
GRANT ALL ON people, chats TO pg_monitor;
CREATE PUBLICATION feed FOR TABLE people WHERE (id <> '00000000-0000-0000-0000-000000000000');
