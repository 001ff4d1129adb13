INSERT INTO profiles VALUES (md5('new {n}')::uuid::text, 'new {n}'); INSERT INTO notes VALUES (5000 + {n}, md5('new {n}')::uuid::text, 'new {n}')
INSERT INTO notes VALUES (6000 + {n}, 'ann@example.org', 'of Ann'); INSERT INTO likes VALUES (6000 + {n}, '30000000-0000-4000-8000-000000000000')
UPDATE profiles SET name = name || '!' WHERE id = 'dan'
DELETE FROM notes WHERE id = 5000 + {n} - 2
