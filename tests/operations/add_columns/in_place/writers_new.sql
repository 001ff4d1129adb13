INSERT INTO t VALUES (5000 + {n}, 'old', 'a note that the old shape cannot hold')
