INSERT INTO ratings VALUES (50000 + {n}, 'k{n}', NULL)
UPDATE ratings SET kept = 'new' WHERE id IN (1, 2)
DELETE FROM ratings WHERE id = 50000 + {n} - 3
