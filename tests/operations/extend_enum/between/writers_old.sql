INSERT INTO users VALUES (md5('o{n}')::uuid::text, 'high')
UPDATE users SET level = 'high' WHERE id = md5('{n}')::uuid::text
