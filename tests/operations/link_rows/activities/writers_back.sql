INSERT INTO users VALUES (3000 + {n}, 'new {n}'); INSERT INTO strava_connections (id, user_id, athlete, token) VALUES (30000 + {n}, 3000 + {n}, {n}, 'new {n}')
INSERT INTO activities (id, user_id, strava_id, name) VALUES (30000 + {n}, 3000 + {n}, {n}, 'of Strava'), (50000 + {n}, 3000 + {n}, NULL, 'by hand')
DELETE FROM strava_connections WHERE user_id = 3000 + {n} - 3
DELETE FROM strava_connections WHERE user_id = 10 + {n} % 8
UPDATE activities SET name = 'new name {n}' WHERE user_id = 33
UPDATE workouts SET activity_id = 30000 + {n} WHERE id = 6
DELETE FROM activities WHERE id = 50000 + {n} - 2
