INSERT INTO people (id, "e-mail") VALUES (md5('late {n}')::uuid::text, 'late {n}'); INSERT INTO chats VALUES (7000 + {n}, md5('late {n}')::uuid::text, NULL, 'late')
UPDATE chats SET keeper = (SELECT id FROM people WHERE "e-mail" = 'late {n}'), title = 'late {n}' WHERE id = {n} * 11 % 60
