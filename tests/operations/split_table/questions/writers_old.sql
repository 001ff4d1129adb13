INSERT INTO talks VALUES (100 + {n}, 'q{n}', 'r{n}', 'web')
UPDATE talks SET question = 'changed {n}', response = NULL WHERE id = 100 + {n} - 1
UPDATE talks SET id = id + 10000 WHERE id = 100 + {n} - 3
DELETE FROM talks WHERE id = 100 + {n} - 5
