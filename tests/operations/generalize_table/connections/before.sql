CREATE TYPE public.provider AS ENUM ('strava', 'garmin');
CREATE TABLE users (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE strava_connections (
    id serial PRIMARY KEY,
    user_id integer NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    strava_athlete_id bigint NOT NULL,
    strava_firstname varchar(100),
    strava_lastname varchar(100),
    strava_weight numeric(6, 2),
    access_token text NOT NULL,
    refresh_token text,
    scopes varchar(500),
    created_at timestamp NOT NULL DEFAULT now(),
    updated_at timestamp NOT NULL DEFAULT '2025-01-01'
);
COMMENT ON TABLE strava_connections IS 'who is on Strava';
CREATE TABLE webhooks (
    id integer PRIMARY KEY,
    connection integer NOT NULL,
    CONSTRAINT webhooks_connection_fkey FOREIGN KEY (connection) REFERENCES strava_connections (id) ON DELETE CASCADE
);
INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 60) i;
INSERT INTO strava_connections (user_id, strava_athlete_id, strava_firstname, strava_lastname, strava_weight,
    access_token, refresh_token, scopes, created_at, updated_at)
SELECT i, 900 + i, CASE WHEN i % 3 > 0 THEN 'First ' || i END, CASE WHEN i % 4 > 0 THEN 'Last "' || i END,
    CASE WHEN i % 5 > 0 THEN i * 1.50 END, 'token ' || i, CASE WHEN i % 7 > 0 THEN 'refresh ' || i END, 'read,write',
    timestamp '2025-01-01' + i * interval '1 hour', timestamp '2025-06-01' + i * interval '1 hour'
FROM generate_series(1, 50) i;
INSERT INTO webhooks SELECT i, i FROM generate_series(10, 19) i;
-- Two users on one athlete, a user with two connections, and one that is the second in both.
INSERT INTO strava_connections (user_id, strava_athlete_id, access_token, created_at) VALUES
    (51, 905, 'token a', '2024-12-01'), (52, 906, 'token b', '2025-12-01'), (7, 977, 'token c', '2025-12-02'),
    (8, 909, 'token d', '2025-12-03');
