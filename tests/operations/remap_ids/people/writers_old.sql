INSERT INTO conversations VALUES (1000 + {n}, 'Ann@Example.org', 'old {n}'), (2000 + {n}, 'new {n}@example.org', 'unknown {n}')
INSERT INTO events VALUES (1000 + {n}, '{"user": {"id": "ann@example.org"}, "seen": [{"by": "new {n}@example.org"}, {"by": "B0000000-0000-4000-8000-000000000002"}]}')
INSERT INTO teams VALUES (1000 + {n}, ARRAY['Ann@Example.org', 'guest', NULL], 'b0000000-0000-4000-8000-000000000002')
UPDATE conversations SET user_id = 'b0000000-0000-4000-8000-000000000002' WHERE id = 1000 + {n} - 2
UPDATE conversations SET user_id = 'guest' WHERE id = {n} * 7 % 60
UPDATE events SET payload = payload || '{"read": {n}}' WHERE id = {n} * 5 % 30 AND jsonb_typeof(payload) = 'object'
UPDATE teams SET members = members || 'ann@example.org'::character varying WHERE id = 1000 + {n} - 1
DELETE FROM conversations WHERE id = {n} * 11 % 60
DELETE FROM teams WHERE id = 1000 + {n} - 4
