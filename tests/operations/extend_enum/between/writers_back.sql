INSERT INTO users VALUES (md5('n{n}')::uuid::text, 'low')
UPDATE users SET level = NULL WHERE id = md5('{n}')::uuid::text
