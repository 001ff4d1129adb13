INSERT INTO conversations VALUES (md5('late {n}')::uuid::text, 'late {n}')
INSERT INTO analytics_events (id, payload) VALUES (2000 + {n}, jsonb_build_object('conversation_id', 'whatsapp_+15552', 'seen', jsonb_build_array(jsonb_build_object('conversation_id', md5('late {n}')::uuid))))
INSERT INTO digests VALUES (2000 + {n}, ARRAY['whatsapp_+15556', NULL, md5('late {n}')::uuid::text])
DELETE FROM digests WHERE id = 2000 + {n} - 3
