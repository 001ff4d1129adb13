INSERT INTO people VALUES ('new{n}@example.org', 'new {n}'); INSERT INTO chats VALUES (1000 + {n}, 'new{n}@example.org', 'held'); INSERT INTO lines VALUES (1000 + {n}, 1, 'held') -- refused after the switch: 23514
INSERT INTO people VALUES (upper(md5('fresh {n}')::uuid::text), 'fresh {n}'); INSERT INTO chats VALUES (3000 + {n}, upper(md5('fresh {n}')::uuid::text), 'fresh'), (5000 + {n}, NULL, 'nobody'); INSERT INTO lines VALUES (3000 + {n}, 1, 'fresh'), (5000 + {n}, 2, 'nobody')
INSERT INTO events VALUES (1000 + {n}, CASE {n} % 2 WHEN 0 THEN 'new{n}@example.org' END, '{"person": {"id": "new{n}@example.org"}}') -- refused after the switch: 23514
UPDATE people SET id = '{' || md5(name)::uuid || '}' WHERE name = 'new ' || {n} - 2
UPDATE people SET id = 'turned{n}@example.org' WHERE name = 'fresh ' || {n} - 3 -- refused after the switch: 23514
UPDATE chats SET person_id = (SELECT id FROM people WHERE name = 'new {n}') WHERE id = {n} * 7 % 90
UPDATE chats SET person_id = NULL WHERE id = {n} * 11 % 90
UPDATE lines SET content = 'edited {n}' WHERE chat_id = 1000 + {n} - 1
DELETE FROM people WHERE name = 'new ' || {n} - 5
DELETE FROM lines WHERE chat_id = {n} * 13 % 90
