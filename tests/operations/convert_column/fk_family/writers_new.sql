INSERT INTO people (id, email) VALUES (md5('late {n}')::uuid, 'late {n}')
INSERT INTO conversations (id, person_id, question, number) VALUES (md5('late chat {n}')::uuid, md5('late {n}')::uuid, 'when {n}?', 20000 + {n}); INSERT INTO tags VALUES (20000 + {n}, md5('late chat {n}')::uuid, md5('late {n}')::uuid, 'late')
UPDATE conversations SET question = 'changed late {n}' WHERE number = {n} * 17 % 300
UPDATE conversations SET id = md5('moved late {n}')::uuid WHERE number = {n} * 19 % 300
DELETE FROM conversations WHERE number = {n} * 23 % 300
DELETE FROM people WHERE email = 'late ' || {n} - 3
