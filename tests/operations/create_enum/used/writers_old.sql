INSERT INTO connections VALUES (1000 + {n}, 'garmin')
UPDATE connections SET provider = 'strava' WHERE id = {n}
DELETE FROM connections WHERE id = 1000 + {n} - 4
