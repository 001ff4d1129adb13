-- People under whatever id was at hand: e-mails in two spellings, ids of profiles, ids of accounts, and nobody's.
CREATE TABLE conversations (id integer PRIMARY KEY, user_id text NOT NULL DEFAULT 'guest', title text);
CREATE INDEX conversations_user_id ON conversations (user_id);
CREATE TABLE events (id integer PRIMARY KEY, payload jsonb NOT NULL);
CREATE TABLE teams (id integer PRIMARY KEY, members character varying(60)[] NOT NULL DEFAULT '{}', lead uuid);

INSERT INTO conversations
SELECT n, CASE n % 6 WHEN 0 THEN 'ann@example.org' WHEN 1 THEN 'Ann@Example.org' WHEN 2 THEN 'a0000000-0000-4000-8000-000000000001'
                     WHEN 3 THEN 'b0000000-0000-4000-8000-000000000002' WHEN 4 THEN 'a0000000-0000-4000-8000-000000000003'
                     ELSE 'guest' END, 'title ' || n
FROM generate_series(1, 60) n;
INSERT INTO conversations VALUES (61, 'B0000000-0000-4000-8000-000000000002', 'spelled otherwise'), (62, '', 'empty'),
    (63, 'c0000000-0000-4000-8000-000000000009', 'nobody knows whose');
INSERT INTO events SELECT id, jsonb_build_object('user', jsonb_build_object('id', user_id), 'cost', 1.50,
    'seen', jsonb_build_array(jsonb_build_object('by', upper(user_id)), jsonb_build_object('by', user_id), 7)) FROM conversations;
INSERT INTO events VALUES (101, '{"user": {"id": 17}}'), (102, '{"user": "ann@example.org", "seen": "ann@example.org"}'),
    (103, '[]'), (104, '{"user": {"id": null}}');
INSERT INTO teams SELECT n, ARRAY(SELECT user_id FROM conversations c WHERE c.id BETWEEN n AND n + 3 ORDER BY id),
    CASE n % 2 WHEN 0 THEN 'b0000000-0000-4000-8000-000000000002'::uuid ELSE 'a0000000-0000-4000-8000-000000000003' END
FROM generate_series(1, 12) n;
INSERT INTO teams VALUES (20, '{NULL,ann@example.org,NULL}', NULL), (21, '[0:1]={Ann@Example.org,x}', NULL),
    (22, '{{a0000000-0000-4000-8000-000000000003,guest}}', NULL),
    (23, '{}', 'c0000000-0000-4000-8000-000000000009');
