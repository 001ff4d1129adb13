INSERT INTO c VALUES ('x{n}', 'bad {n}'); INSERT INTO m VALUES (100 + {n}, 'x{n}', 'body') -- refused after the switch: 23514
UPDATE c SET user_id = '{' || md5('good {n}')::uuid || '}' WHERE id = 'x' || {n} - 1
UPDATE c SET user_id = 'worse {n}' WHERE id = 'x' || {n} - 3
UPDATE m SET body = 'changed' WHERE id = 100 + {n} - 2
UPDATE m SET c_id = '1' WHERE id = 100 + {n} - 4
DELETE FROM m WHERE c_id = 'x' || {n} - 5; DELETE FROM c WHERE id = 'x' || {n} - 5
