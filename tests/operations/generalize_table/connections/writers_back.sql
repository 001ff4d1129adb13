INSERT INTO users VALUES (3000 + {n}, 'new {n}'); SELECT nextval('strava_connections_id_seq')
INSERT INTO strava_connections (id, user_id, strava_athlete_id, strava_lastname, access_token, created_at, updated_at) VALUES (30000 + {n}, 3000 + {n}, {n}, 'New {n}', 'strava {n}', '2026-02-02', '2026-02-02')
UPDATE strava_connections SET strava_firstname = 'Round {n}', access_token = 'fresh {n}' WHERE user_id = 10 + {n} % 30 AND user_id NOT IN (20)
SELECT 1
DELETE FROM strava_connections WHERE user_id = 3000 + {n} - 4
