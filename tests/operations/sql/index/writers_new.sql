INSERT INTO t VALUES (5000 + {n}, 'w{n}')
