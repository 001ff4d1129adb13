INSERT INTO ratings VALUES (100 + {n}, {n} % 3 - 1, 'note {n}', 'k')
UPDATE ratings SET stars = 7, note = 'n' WHERE id = 100 + {n} - 1
UPDATE ratings SET id = id + 10000 WHERE id = 100 + {n} - 2
DELETE FROM ratings WHERE id = 100 + {n} - 4
