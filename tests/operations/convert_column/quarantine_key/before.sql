-- A parent whose key may not fit, ordinary children by that key, and children of these by a key of their own.
CREATE TABLE people (id text PRIMARY KEY, name text);
CREATE TABLE chats (
    id integer PRIMARY KEY, person_id text CONSTRAINT chats_person_fkey REFERENCES people (id) ON UPDATE CASCADE ON DELETE CASCADE,
    title text
);
CREATE TABLE lines (
    chat_id integer NOT NULL CONSTRAINT lines_chat_fkey REFERENCES chats (id) ON DELETE CASCADE,
    n integer NOT NULL, content text, PRIMARY KEY (chat_id, n)
);
CREATE TABLE events (id integer PRIMARY KEY, person text, payload jsonb);

INSERT INTO people SELECT CASE n % 5 WHEN 0 THEN 'p' || n || '@example.org' WHEN 1 THEN upper(md5('p' || n)::uuid::text)
    ELSE md5('p' || n)::uuid::text END, 'name ' || n FROM generate_series(1, 30) n;
INSERT INTO chats SELECT n, (SELECT id FROM people WHERE name = 'name ' || n % 31), 'chat ' || n FROM generate_series(1, 90) n;
INSERT INTO lines SELECT c.id, n, 'line' FROM chats c, generate_series(1, 3) n;
INSERT INTO events SELECT n, id, jsonb_build_object('person', jsonb_build_object('id', id), 'n', n)
FROM people JOIN generate_series(1, 30) n ON name = 'name ' || n;
