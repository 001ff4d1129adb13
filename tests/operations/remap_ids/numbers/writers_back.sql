INSERT INTO notes (user_id, body) VALUES (3, 'new {n}')
UPDATE notes SET user_id = 2 WHERE id = 1 + {n} % 40 AND {n} % 2 = 0 AND user_id <> 5
UPDATE quotas SET bytes = bytes + 1 WHERE user_id = 4
DELETE FROM quotas WHERE user_id = 1 AND {n} % 4 = 0
INSERT INTO quotas VALUES (1, {n}) ON CONFLICT DO NOTHING
