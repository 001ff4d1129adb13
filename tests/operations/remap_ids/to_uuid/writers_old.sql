INSERT INTO conversations VALUES (1000 + {n}, 'Ann@example.org'), (2000 + {n}, 'unknown {n}'); INSERT INTO messages VALUES (2000 + {n}, 2000 + {n}, 'of nobody'), (1000 + {n}, 1000 + {n}, 'of Ann') -- refused after the switch: 23514
UPDATE conversations SET user_id = '20000000-0000-4000-8000-000000000000' WHERE id = 2000 + {n} - 1
UPDATE conversations SET user_id = 'gone' WHERE id = 1000 + {n} - 2
UPDATE conversations SET watchers = watchers || 'ann@example.org'::text WHERE id = {n} * 7 % 72
INSERT INTO events VALUES (1000 + {n}, '10000000-0000-4000-8000-000000000000', '{"by": "ann@example.org", "n": {n}}'), (2000 + {n}, NULL, '{"by": "who"}') -- refused after the switch: 23514
UPDATE events SET payload = payload || '{"by": "ann@example.org"}' WHERE id = 2000 + {n} - 2
DELETE FROM messages WHERE id = {n} * 5 % 150
DELETE FROM events WHERE id = 1000 + {n} - 3
