-- References that no foreign key tells of: in documents, in lists within them, and in arrays.
CREATE TABLE conversations (id text PRIMARY KEY, title text);
CREATE TABLE analytics_events (
    id integer PRIMARY KEY, payload jsonb NOT NULL DEFAULT '{}', at timestamptz DEFAULT '2024-05-06 07:08+00'
);
CREATE INDEX analytics_events_payload ON analytics_events USING gin (payload);
CREATE TABLE digests (id integer PRIMARY KEY, conversation_ids character varying(60)[] NOT NULL DEFAULT '{}'::character varying[]);
CREATE INDEX digests_ids ON digests USING gin (conversation_ids);

INSERT INTO conversations
SELECT CASE n % 4 WHEN 1 THEN upper(md5('c' || n)::uuid::text) WHEN 2 THEN 'whatsapp_+1555' || n ELSE md5('c' || n)::uuid::text END,
       'title ' || n
FROM generate_series(1, 40) n;
INSERT INTO analytics_events (id, payload)
SELECT row_number() OVER (ORDER BY title COLLATE "C"), jsonb_build_object('conversation_id', id, 'cost', 1.50, 'seen',
       jsonb_build_array(jsonb_build_object('conversation_id', lower(id), 'at', 1), 7, jsonb_build_object('n', NULL)))
FROM conversations WHERE id NOT LIKE 'whatsapp%';
INSERT INTO analytics_events (id, payload) VALUES
    (101, '{"conversation_id": "whatsapp_+15552", "seen": []}'), (102, '{"conversation_id": 7}'), (103, '[]'),
    (104, '{"conversation_id": null, "seen": "none"}'), (105, '{"seen": [{"conversation_id": "whatsapp_+15556"}, null]}'),
    (106, '"whatsapp_+15552"'), (107, 'null');
INSERT INTO digests SELECT n, ARRAY(SELECT id FROM conversations c WHERE length(c.title) + n < 16 ORDER BY title COLLATE "C")
FROM generate_series(1, 8) n;
INSERT INTO digests VALUES (20, '{NULL,whatsapp_+15552,NULL}');
