INSERT INTO c VALUES ('y{n}', md5('y{n}')::uuid::text); INSERT INTO m VALUES (5000 + {n}, 'y{n}', 'body')
UPDATE c SET user_id = NULL WHERE id = 'y' || {n} - 1
DELETE FROM m WHERE id = 5000 + {n} - 2
