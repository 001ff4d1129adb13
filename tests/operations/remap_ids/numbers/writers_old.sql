INSERT INTO notes (user_id, body) VALUES (1 + {n} % 5, 'written {n}') -- refused after the switch: 23514
UPDATE notes SET user_id = 1 + (user_id + {n}) % 5 WHERE id = 1 + {n} % 40 -- refused after the switch: 23514
DELETE FROM notes WHERE id = 41 + {n} AND {n} % 3 = 0
UPDATE quotas SET bytes = bytes + 1 WHERE user_id = 1 + {n} % 5
DELETE FROM quotas WHERE user_id = 2 AND {n} % 4 = 0
INSERT INTO quotas VALUES (2, {n}) ON CONFLICT DO NOTHING -- refused after the switch: 23505
