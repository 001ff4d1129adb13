INSERT INTO users VALUES (3000 + {n}, 'new {n}'); INSERT INTO connections (id, user_id, provider, account, token) VALUES (30000 + {n}, 3000 + {n}, 'strava', '{n}', 'new {n}'), (40000 + {n}, 3000 + {n}, 'garmin', 'g{n}', 'new {n}')
INSERT INTO activities (id, user_id, connection_id, external_id, name) VALUES (30000 + {n}, 3000 + {n}, 30000 + {n}, '{n}', 'of Strava'), (40000 + {n}, 3000 + {n}, 40000 + {n}, 'g{n}', 'of Garmin'), (50000 + {n}, 3000 + {n}, NULL, NULL, 'by hand')
DELETE FROM connections WHERE user_id = 3000 + {n} - 3 AND provider = 'strava'
DELETE FROM connections WHERE user_id = 10 + {n} % 8
UPDATE activities SET name = 'new name {n}' WHERE user_id = 33
UPDATE workouts SET activity_id = 30000 + {n} WHERE id = 6
DELETE FROM activities WHERE id = 50000 + {n} - 2
