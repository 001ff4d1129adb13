CREATE TYPE public.rank AS ENUM ('athlete', 'coach');
CREATE TYPE public.old_rank AS ENUM ('athlete', 'coach', 'pro');
CREATE TABLE people (id integer PRIMARY KEY, rank varchar(20), was public.old_rank DEFAULT 'coach');
INSERT INTO people SELECT i, (ARRAY['athlete', 'coach', NULL])[1 + i % 3], 'athlete' FROM generate_series(1, 30) i;
INSERT INTO people VALUES (100, 'pro', NULL), (101, 'lab', 'coach');
