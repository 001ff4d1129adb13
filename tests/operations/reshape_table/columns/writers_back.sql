INSERT INTO ratings (id, kept) VALUES (50000 + {n}, 'k{n}')
UPDATE ratings SET kept = 'new' WHERE id IN (1, 2)
DELETE FROM ratings WHERE id = 50000 + {n} - 3
