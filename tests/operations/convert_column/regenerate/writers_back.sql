INSERT INTO sessions VALUES (md5('late {n}')::uuid::text, 'late {n}'); INSERT INTO calls VALUES (md5('late {n}')::uuid::text, 9000 + {n})
UPDATE sessions SET title = title || '!' WHERE title = 's' || {n} * 17 % 200
UPDATE sessions SET id = md5('gone {n}')::uuid::text WHERE title = 's' || {n} * 19 % 200
DELETE FROM sessions WHERE title = 's' || {n} * 23 % 200
