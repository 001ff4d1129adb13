INSERT INTO conversations VALUES (5000 + {n}, 'a0000000-0000-4000-8000-000000000001', 'of Ann {n}'), (6000 + {n}, md5('new {n}')::uuid::text, 'of somebody new')
INSERT INTO conversations VALUES (7000 + {n}, 'B0000000-0000-4000-8000-000000000002', 'of one who was known as another')
INSERT INTO events VALUES (5000 + {n}, '{"user": {"id": "a0000000-0000-4000-8000-000000000001"}, "seen": [{"by": "later {n}"}, {"by": "B0000000-0000-4000-8000-000000000002"}]}')
INSERT INTO teams VALUES (5000 + {n}, ARRAY['B0000000-0000-4000-8000-000000000002', NULL, md5('new {n}')::uuid::text], md5('new {n}')::uuid)
UPDATE conversations SET title = title || '!' WHERE id = {n} * 7 % 60
UPDATE conversations SET user_id = 'a0000000-0000-4000-8000-000000000001' WHERE id = 5
DELETE FROM teams WHERE id = 5000 + {n} - 3
