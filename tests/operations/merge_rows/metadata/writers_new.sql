INSERT INTO sessions VALUES (5000 + {n}, 'solo {n}', 'z', 'new', 1, '2022-01-01')
UPDATE sessions SET title = 'newer' WHERE id = 5000 + {n} - 1
DELETE FROM sessions WHERE id = 5000 + {n} - 3
