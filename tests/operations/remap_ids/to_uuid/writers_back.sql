INSERT INTO conversations VALUES (5000 + {n}, '20000000-0000-4000-8000-000000000000'), (6000 + {n}, md5('new {n}')::uuid::text)
INSERT INTO conversations VALUES (7000 + {n}, NULL, ARRAY['10000000-0000-4000-8000-000000000000', NULL, md5('new {n}')::uuid::text])
INSERT INTO messages VALUES (5000 + {n}, 5000 + {n}, 'new'), (6000 + {n}, 6000 + {n}, 'new')
INSERT INTO events VALUES (5000 + {n}, md5('new {n}')::uuid, '{"by": "10000000-0000-4000-8000-000000000000"}'), (6000 + {n}, NULL, '{"by": "somebody"}')
UPDATE messages m SET body = body || '!' FROM conversations c WHERE m.id = {n} * 7 % 150 AND c.id = conversation_id AND c.id < 100 AND (c.user_id IS NULL OR c.user_id NOT SIMILAR TO '(nobody|unknown|gone)%') AND 'who' <> ALL (c.watchers)
DELETE FROM messages WHERE id = 5000 + {n} - 2
