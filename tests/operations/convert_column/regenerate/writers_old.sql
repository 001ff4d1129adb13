INSERT INTO sessions VALUES ('line_{n}', 'new {n}'); INSERT INTO calls VALUES ('line_{n}', 2000 + {n}); INSERT INTO audit VALUES (2000 + {n}, 'line_{n}')
UPDATE sessions SET id = 'moved_{n}' WHERE title = 's' || {n} * 7 % 200
UPDATE sessions SET id = upper(md5('{n}')) WHERE title = 's' || {n} * 11 % 200
UPDATE calls SET session_id = NULL WHERE call = {n} * 3 % 200
DELETE FROM sessions WHERE title = 's' || {n} * 13 % 200
