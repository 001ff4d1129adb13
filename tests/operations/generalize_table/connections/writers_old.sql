INSERT INTO users VALUES (1000 + {n}, 'late {n}'); INSERT INTO strava_connections (user_id, strava_athlete_id, access_token, created_at) VALUES (1000 + {n}, 5000 + {n}, 'late {n}', '2026-01-01')
UPDATE strava_connections SET strava_athlete_id = CASE WHEN strava_athlete_id = 920 THEN 906 ELSE 920 END, scopes = 'round {n}' WHERE user_id = 20 -- refused after the switch: 23505
UPDATE strava_connections SET created_at = timestamp '2025-02-01' + (({n} * 37) % 700) * interval '1 day', strava_weight = {n} WHERE user_id IN (5, 51)
DELETE FROM strava_connections WHERE user_id = 1000 + {n} - 3
