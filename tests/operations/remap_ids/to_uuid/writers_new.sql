INSERT INTO conversations VALUES (5000 + {n}, '10000000-0000-4000-8000-000000000000'), (6000 + {n}, md5('new {n}')::uuid)
INSERT INTO conversations VALUES (7000 + {n}, NULL, ARRAY['20000000-0000-4000-8000-000000000000', NULL, md5('new {n}')]::uuid[])
INSERT INTO messages VALUES (5000 + {n}, 5000 + {n}, 'new'), (6000 + {n}, 6000 + {n}, 'new')
INSERT INTO events VALUES (5000 + {n}, md5('new {n}')::uuid, '{"by": "20000000-0000-4000-8000-000000000000"}'), (6000 + {n}, NULL, '{"by": "somebody"}')
UPDATE messages SET body = body || '!' WHERE id = {n} * 7 % 150 AND conversation_id < 100
DELETE FROM messages WHERE id = 5000 + {n} - 2
