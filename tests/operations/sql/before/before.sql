CREATE TABLE t (id text PRIMARY KEY, v integer);
INSERT INTO t SELECT md5(i::text)::uuid::text, i FROM generate_series(1, 40) i;
CREATE TABLE settings (name text PRIMARY KEY, value text);
