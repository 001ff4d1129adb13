INSERT INTO activities (id, kind, note) VALUES (5000 + {n}, 'ride', 'new {n}')
INSERT INTO activities (id, kind) VALUES (6000 + {n}, 'Windsurf')
UPDATE activities SET kind = CASE WHEN lower(kind) IN ('run', 'trailrun') THEN kind ELSE 'run' END WHERE id = {n} * 11 % 200
INSERT INTO people VALUES (5000 + {n}, 'coach')
