INSERT INTO conversations (id, user_id, title) VALUES (md5('c{n}')::uuid, md5('u{n}')::uuid, 'old {n}')
INSERT INTO documents VALUES ({n}, 'old')
INSERT INTO "Watch ""list""" VALUES ({n}, 'u{n}')
UPDATE conversations SET title = 'changed {n}' WHERE id = '00000000-0000-4000-8000-000000000001'
