INSERT INTO people (id, "e-mail") VALUES (upper(md5('new {n}')::uuid::text), 'new {n}'); INSERT INTO chats VALUES (1000 + {n}, upper(md5('new {n}')::uuid::text), NULL, 'fresh')
UPDATE chats SET keeper = (SELECT id FROM people WHERE "e-mail" = 'new {n}'), title = 'kept {n}' WHERE id = {n} * 7 % 60
DELETE FROM people WHERE "e-mail" = 'new ' || {n} - 3 AND NOT EXISTS (SELECT FROM chats WHERE keeper = people.id)
