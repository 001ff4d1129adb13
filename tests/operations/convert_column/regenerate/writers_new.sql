INSERT INTO sessions VALUES (md5('late {n}')::uuid, 'late {n}'); INSERT INTO calls VALUES (md5('late {n}')::uuid, 9000 + {n})
UPDATE sessions SET title = title || '!' WHERE title = 's' || {n} * 17 % 200
UPDATE sessions SET id = md5('gone {n}')::uuid WHERE title = 's' || {n} * 19 % 200
DELETE FROM sessions WHERE title = 's' || {n} * 23 % 200
