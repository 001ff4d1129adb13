-- Inserts, updates, deletes, and key changes that cascade.
INSERT INTO people (id, email) VALUES (upper(md5('new {n}')::uuid::text), 'new {n}')
INSERT INTO conversations (id, person_id, question, number) VALUES ('{' || md5('chat {n}')::uuid || '}', upper(md5('new {n}')::uuid::text), 'why {n}?', 10000 + {n}); INSERT INTO tags VALUES (10000 + {n}, '{' || md5('chat {n}')::uuid || '}', upper(md5('new {n}')::uuid::text), 'fresh')
UPDATE conversations SET question = 'changed {n}' WHERE number = {n} * 7 % 300
UPDATE people SET id = replace(id, '-', ''), updated_at = updated_at WHERE email = 'p' || {n} % 40 + 1 || '@example.org'
UPDATE conversations SET id = md5('moved {n}')::uuid::text WHERE number = {n} * 11 % 300
DELETE FROM conversations WHERE number = {n} * 13 % 300
DELETE FROM people WHERE email = 'new ' || {n} - 3
