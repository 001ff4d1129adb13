INSERT INTO notes VALUES (1000 + {n}, 'bob@example.org', 'old {n}'); INSERT INTO likes VALUES (1000 + {n}, 'dan')
UPDATE notes SET profile_id = 'ann@example.org' WHERE id = {n} * 7 % 80
UPDATE profiles SET name = name || {n} % 10 WHERE id = 'dan'
DELETE FROM likes WHERE note_id = {n} * 5 % 80
