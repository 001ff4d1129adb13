INSERT INTO conversations (id, user_id, title) VALUES (md5('n{n}')::uuid, md5('u{n}')::uuid, 'new {n}')
UPDATE conversations SET title = 'new {n}' WHERE id = '00000000-0000-4000-8000-000000000002'
INSERT INTO documents VALUES (1000000 + {n}, 'new')
UPDATE documents SET title = 'newer' WHERE id = 1000000 + {n}
DELETE FROM documents WHERE id = 1000000 + {n}
DELETE FROM "Watch ""list""" WHERE id = {n}
