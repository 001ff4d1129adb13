INSERT INTO talks VALUES (50000 + {n}); INSERT INTO lines VALUES (50000 + {n}, 1, 'user', 'hello {n}')
INSERT INTO lines VALUES (50000 + {n}, 2, 'assistant', 'hi {n}')
UPDATE lines SET content = 'edited' WHERE talk_id = 50000 + {n} - 1 AND n = 1
UPDATE lines SET talk_id = 3, n = 1 WHERE talk_id = 50000 + {n} - 2 AND n = 1 AND NOT EXISTS (SELECT FROM lines WHERE talk_id = 3 AND n = 1)
DELETE FROM talks WHERE id = 50000 + {n} - 4
