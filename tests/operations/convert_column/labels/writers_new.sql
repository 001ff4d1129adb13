INSERT INTO activities (id, kind, note) VALUES (5000 + {n}, 'ride', 'new {n}')
INSERT INTO activities (id, kind, kind_as_written) VALUES (6000 + {n}, 'other', 'Windsurf')
UPDATE activities SET kind = 'run' WHERE id = {n} * 11 % 200
INSERT INTO people VALUES (5000 + {n}, 'coach')
