INSERT INTO users VALUES (1000 + {n}, 'late {n}'); INSERT INTO activities (user_id, strava_id, name) VALUES (1000 + {n}, {n}, 'late {n}'), (1000 + {n}, NULL, 'by hand {n}')
INSERT INTO strava_connections (id, user_id, athlete, token) VALUES (7000 + {n}, 1000 + {n} - 1, 5000 + {n}, 'late {n}') -- its activities came before it
DELETE FROM strava_connections WHERE user_id = 1000 + {n} - 4
UPDATE strava_connections SET athlete = 902 + {n} % 2 WHERE user_id = 2
UPDATE activities SET strava_id = CASE WHEN strava_id = 10013 THEN 10014 ELSE 10013 END WHERE user_id = 14 AND strava_id IN (10013, 10014)
UPDATE activities SET user_id = CASE user_id WHEN 21 THEN 22 ELSE 21 END WHERE strava_id = 10021
INSERT INTO activities (id, user_id, strava_id, name) VALUES (8000 + {n}, 31, 10030, 'twice {n}'); INSERT INTO workouts VALUES (8000 + {n}, 8000 + {n}) -- refused after the switch: 23514
DELETE FROM activities WHERE id = 8000 + {n} - 2
UPDATE workouts SET activity_id = 8000 + {n} WHERE id = 5
INSERT INTO strava_connections (id, user_id, athlete, token) VALUES (60000 + {n}, 24, 924 + {n} % 2, 'once more') -- refused after the switch: 23514
DELETE FROM strava_connections WHERE id = 60000 + {n} - 1
