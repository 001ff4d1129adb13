-- Ids of profiles where those of accounts should be, some of which are the account of somebody else; and e-mails.
CREATE TABLE conversations (id integer PRIMARY KEY, user_id text COLLATE "C" DEFAULT (gen_random_uuid())::text, watchers text[] DEFAULT '{}'::text[]);
CREATE INDEX conversations_user_id ON conversations (user_id);
CREATE TABLE messages (
    id integer PRIMARY KEY, conversation_id integer NOT NULL CONSTRAINT messages_conversation_id_fkey REFERENCES conversations, body text
);
CREATE TABLE events (id integer PRIMARY KEY, who uuid, payload jsonb);

INSERT INTO conversations
SELECT n, CASE n % 6 WHEN 0 THEN '10000000-0000-4000-8000-000000000000' WHEN 1 THEN '20000000-0000-4000-8000-000000000000'
                     WHEN 2 THEN 'Ann@example.org' WHEN 3 THEN 'ann@example.org' WHEN 4 THEN 'nobody@example.org' END,
       CASE n % 4 WHEN 0 THEN ARRAY['ann@example.org', '20000000-0000-4000-8000-000000000000'] WHEN 1 THEN ARRAY['who'] ELSE '{}' END
FROM generate_series(1, 72) n;
INSERT INTO messages SELECT n, n % 72 + 1, 'body ' || n FROM generate_series(1, 150) n;
INSERT INTO events SELECT id, CASE id % 3 WHEN 0 THEN '10000000-0000-4000-8000-000000000000'::uuid
                     WHEN 1 THEN '20000000-0000-4000-8000-000000000000' ELSE md5('stranger')::uuid END,
       jsonb_build_object('by', CASE id % 5 WHEN 0 THEN to_jsonb(17) ELSE to_jsonb(coalesce(user_id, 'ann@example.org')) END)
FROM conversations;
