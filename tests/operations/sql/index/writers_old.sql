INSERT INTO t VALUES (100 + {n}, 'w{n}')
DELETE FROM t WHERE id = 100 + {n} - 4
