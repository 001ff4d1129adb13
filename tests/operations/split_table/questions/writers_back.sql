INSERT INTO talks VALUES (50000 + {n}, 'hello {n}')
UPDATE talks SET response = 'hi {n}' WHERE id = 50000 + {n}
UPDATE talks SET question = 'edited' WHERE id = 50000 + {n} - 1
WITH moved AS (UPDATE talks t SET question = NULL FROM talks o WHERE t.id = 50000 + {n} - 2 AND o.id = t.id AND o.question IS NOT NULL AND NOT EXISTS (SELECT FROM talks WHERE id = 3 AND question IS NOT NULL) RETURNING o.question) UPDATE talks SET question = moved.question FROM moved WHERE id = 3
DELETE FROM talks WHERE id = 50000 + {n} - 4
