INSERT INTO connections VALUES (5000 + {n}, 'polar')
UPDATE connections SET provider = 'polar', state = 'closed' WHERE id = {n} + 20
