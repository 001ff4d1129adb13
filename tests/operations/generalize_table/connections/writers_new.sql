INSERT INTO users VALUES (3000 + {n}, 'new {n}'); INSERT INTO provider_connections (user_id, provider, provider_user_id, access_token) VALUES (3000 + {n}, 'garmin', 'g{n}', 'garmin {n}')
INSERT INTO provider_connections (id, user_id, provider, provider_user_id, provider_profile, access_token, created_at, updated_at) VALUES (30000 + {n}, 3000 + {n}, 'strava', '{n}', '{"lastname": "New {n}"}', 'strava {n}', '2026-02-02', '2026-02-02')
UPDATE provider_connections SET provider_profile = provider_profile || '{"firstname": "Round {n}"}', access_token = 'fresh {n}' WHERE user_id = 10 + {n} % 30 AND user_id NOT IN (20)
INSERT INTO sync_history (connection_id, status) SELECT max(id), 'success' FROM provider_connections
DELETE FROM provider_connections WHERE user_id = 3000 + {n} - 4 AND provider = 'strava'
