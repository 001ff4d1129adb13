INSERT INTO conversations VALUES ('voice_{n}', 'voice {n}'), (upper(md5('new {n}')::uuid::text), 'new {n}')
INSERT INTO analytics_events (id, payload) VALUES (1000 + {n}, '{"conversation_id": "voice_{n}", "seen": [{"conversation_id": "voice_{n}"}, {}]}')
INSERT INTO digests VALUES (1000 + {n}, ARRAY['voice_{n}', upper(md5('new {n}')::uuid::text), NULL])
UPDATE analytics_events SET payload = payload || '{"read": {n}}' WHERE id = {n} * 7 % 30 AND payload IS NOT NULL
UPDATE digests SET conversation_ids = conversation_ids || 'voice_{n}'::character varying WHERE id = 1000 + {n} - 1
DELETE FROM analytics_events WHERE id = {n} * 11 % 30
DELETE FROM digests WHERE id = 1000 + {n} - 4
