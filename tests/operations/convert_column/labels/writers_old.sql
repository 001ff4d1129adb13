INSERT INTO activities VALUES (1000 + {n}, 'Walk {n}', 'x late {n}'); INSERT INTO people VALUES (1000 + {n}, 'trainer')
UPDATE activities SET kind = 'VirtualRide' WHERE id = {n} * 7 % 200
UPDATE people SET rank = 'Coach' WHERE id = {n} % 40
DELETE FROM activities WHERE id = 1000 + {n} - 3
