INSERT INTO sessions VALUES (100 + {n}, 's' || {n} % 5, 'a', 't{n}', {n}, '2021-01-01'::timestamptz + {n} * interval '1 hour')
UPDATE sessions SET session = 's' || ({n} + 2) % 5 WHERE id = 100 + {n} - 2
UPDATE sessions SET title = 'u{n}', person = 'b' WHERE id = 100 + {n} - 1
UPDATE sessions SET session = NULL WHERE id = 100 + {n} - 5
DELETE FROM sessions WHERE id = 100 + {n} - 7
