-- The ids of profiles become those of the accounts, with all that refers to them by key.
CREATE TABLE profiles (id text PRIMARY KEY, name text, CONSTRAINT profiles_id_check CHECK (id <> ''));
CREATE TABLE notes (id integer PRIMARY KEY, profile_id text CONSTRAINT notes_profile_id_fkey REFERENCES profiles ON DELETE CASCADE, body text);
CREATE TABLE likes (note_id integer CONSTRAINT likes_note_id_fkey REFERENCES notes, profile_id text CONSTRAINT likes_profile_id_fkey REFERENCES profiles, PRIMARY KEY (note_id, profile_id));
INSERT INTO profiles VALUES ('ann@example.org', 'Ann'), ('bob@example.org', 'Bob'), ('30000000-0000-4000-8000-000000000000', 'Cleo'), ('dan', 'Dan'), ('40000000-0000-4000-8000-000000000000', 'Eve');
INSERT INTO notes SELECT n, (ARRAY['ann@example.org', 'bob@example.org', '30000000-0000-4000-8000-000000000000', 'dan', NULL])[n % 5 + 1], 'note ' || n FROM generate_series(1, 80) n;
INSERT INTO likes SELECT n, id FROM generate_series(1, 80) n, profiles p WHERE (n + ascii(p.name)) % 3 = 0;
