CREATE TYPE public.provider AS ENUM ('strava', 'garmin');
CREATE TABLE users (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE strava_connections (
    id serial PRIMARY KEY,
    user_id integer NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    athlete bigint NOT NULL,
    token text NOT NULL
);
CREATE TABLE activities (
    id serial PRIMARY KEY,
    user_id integer NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    strava_id bigint,
    name text NOT NULL
);
CREATE TABLE workouts (id integer PRIMARY KEY, activity_id integer REFERENCES activities (id) ON DELETE SET NULL);
CREATE INDEX activities_user_idx ON activities (user_id);
INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 60) i;
INSERT INTO strava_connections (user_id, athlete, token) SELECT i, 900 + i, 'token ' || i FROM generate_series(1, 40) i;
-- The third user's athlete is the second's as well, and the fifth user has two connections.
UPDATE strava_connections SET athlete = 902 WHERE user_id = 3;
INSERT INTO strava_connections (user_id, athlete, token) VALUES (5, 999, 'another');
INSERT INTO activities (user_id, strava_id, name)
SELECT 1 + i % 60, CASE WHEN i % 5 > 0 THEN 10000 + i END, 'activity ' || i FROM generate_series(1, 300) i;
-- The same activity twice, of one user, and of two.
INSERT INTO activities (user_id, strava_id, name) VALUES (8, 10007, 'again'), (8, 10007, 'and again'), (9, 10011, 'of another');
INSERT INTO workouts SELECT i, CASE WHEN i % 10 < 8 THEN i END FROM generate_series(1, 60) i;
INSERT INTO workouts VALUES (301, 301), (302, 302), (303, 303);
