INSERT INTO connections (id) VALUES (5000 + {n})
UPDATE connections SET provider = 'strava' WHERE id = {n}
