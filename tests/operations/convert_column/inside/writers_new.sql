INSERT INTO conversations VALUES (md5('late {n}')::uuid, 'late {n}')
INSERT INTO analytics_events (id, payload) VALUES (2000 + {n}, jsonb_build_object('conversation_id', (SELECT id FROM conversations WHERE title = 'title 2'), 'seen', jsonb_build_array(jsonb_build_object('conversation_id', md5('late {n}')::uuid))))
INSERT INTO digests VALUES (2000 + {n}, ARRAY[(SELECT id FROM conversations WHERE title = 'title 6'), NULL, md5('late {n}')::uuid])
DELETE FROM digests WHERE id = 2000 + {n} - 3
