INSERT INTO people VALUES (md5('late {n}')::uuid, 'late {n}'); INSERT INTO chats VALUES (7000 + {n}, md5('late {n}')::uuid, 'late'); INSERT INTO lines VALUES (7000 + {n}, 1, 'late')
UPDATE chats SET title = 'late edit {n}' WHERE id = 5000 + {n}
UPDATE lines SET content = 'late edit {n}' WHERE chat_id = 7000 + {n} - 1
DELETE FROM people WHERE name = 'late ' || {n} - 3
