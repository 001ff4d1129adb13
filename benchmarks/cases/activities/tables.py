"""The legacy tables: people, the Strava connection that nine of ten have, and a hundred activities each."""

from __future__ import annotations

_EMPTY = """
CREATE TABLE users (
    id serial PRIMARY KEY,
    email varchar(255) NOT NULL UNIQUE,
    first_name varchar(100),
    last_name varchar(100)
);
CREATE TABLE strava_connections (
    id serial PRIMARY KEY,
    user_id integer NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    strava_athlete_id bigint NOT NULL,
    strava_username varchar(255),
    strava_firstname varchar(255),
    strava_lastname varchar(255),
    strava_profile_url varchar(500),
    strava_profile_picture varchar(500),
    access_token text NOT NULL,
    refresh_token text NOT NULL,
    token_expires_at timestamp NOT NULL,
    scopes varchar(500),
    last_sync_at timestamp,
    created_at timestamp NOT NULL DEFAULT now(),
    updated_at timestamp NOT NULL DEFAULT now()
);
CREATE TABLE activities (
    id serial PRIMARY KEY,
    user_id integer NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    strava_activity_id bigint,
    strava_upload_id bigint,
    name varchar(255) NOT NULL,
    description text,
    activity_type varchar(50) NOT NULL,
    start_date timestamp NOT NULL,
    timezone varchar(50),
    moving_time integer,
    elapsed_time integer,
    distance double precision,
    average_speed double precision,
    max_speed double precision,
    average_pace double precision,
    average_heartrate double precision,
    max_heartrate double precision,
    average_watts double precision,
    max_watts double precision,
    weighted_average_watts double precision,
    average_cadence double precision,
    total_elevation_gain double precision,
    calories double precision,
    suffer_score integer,
    start_latlng varchar(100),
    end_latlng varchar(100),
    map_polyline text,
    is_manual boolean DEFAULT false,
    is_private boolean DEFAULT false,
    created_at timestamp NOT NULL DEFAULT now(),
    updated_at timestamp NOT NULL DEFAULT now()
);
"""

_PEOPLE = """
INSERT INTO users (email, first_name, last_name)
SELECT 'athlete.' || i || '@example.com', 'First ' || i % 500, 'Last ' || i % 3000
FROM generate_series(1, {rows} / 100) i;
INSERT INTO strava_connections (user_id, strava_athlete_id, strava_username, strava_firstname, strava_lastname,
    strava_profile_url, strava_profile_picture,
    access_token, refresh_token, token_expires_at, scopes, last_sync_at)
SELECT id, 20000000 + id * 37, CASE WHEN id % 3 > 0 THEN 'athlete_' || id END, first_name, last_name,
    'https://www.strava.com/athletes/' || 20000000 + id * 37,
    'https://example.com/pictures/' || md5(id::text) || '.jpg',
    md5(id::text || 'access'), md5(id::text || 'refresh'), timestamp '2025-11-01' + id * interval '7 minutes',
    'read,activity:read_all,profile:read_all', timestamp '2025-10-01' + id * interval '5 minutes'
FROM users WHERE id % 10 > 0;
"""

# About 550 bytes a row. In the order of time, so the activities of one person lie far apart. A person types one of
# twenty activities by hand; three of ten have no track, half no heart rate, and only rides have watts.
_ROWS = """
INSERT INTO activities (user_id, strava_activity_id, strava_upload_id, name, description, activity_type, start_date,
    timezone, moving_time, elapsed_time, distance, average_speed, max_speed, average_pace, average_heartrate,
    max_heartrate, average_watts, max_watts, weighted_average_watts, average_cadence, total_elevation_gain, calories,
    suffer_score, start_latlng, end_latlng, map_polyline, is_manual, is_private, created_at, updated_at)
SELECT 1 + (hashint8(i)::bigint & 2147483647) % ({rows} / 100),
    CASE WHEN synced THEN 7000000000 + i * 13 END, CASE WHEN synced AND i % 8 > 0 THEN 7500000000 + i * 11 END,
    (ARRAY['Morning', 'Lunch', 'Afternoon', 'Evening'])[1 + i % 4] || ' ' || type || ' ' || i,
    CASE WHEN i % 10 < 3 THEN 'With ' || md5(i::text) || ', it felt well until the last hill' END,
    type, day, 'Europe/Paris', moving, moving + i % 600, moving * speed, speed, speed * 1.6, 16.6667 / speed,
    CASE WHEN i % 2 = 0 THEN 120 + i % 50 END, CASE WHEN i % 2 = 0 THEN 160 + i % 40 END,
    CASE WHEN ride THEN 150 + i % 120 END, CASE WHEN ride THEN 400 + i % 500 END,
    CASE WHEN ride THEN 160 + i % 130 END, CASE WHEN track THEN 70 + i % 30 END,
    i % 1200, moving / 6.0, CASE WHEN i % 2 = 0 THEN i % 200 END,
    CASE WHEN track THEN '48.' || 80000 + i % 9999 || ',2.' || 30000 + i % 9999 END,
    CASE WHEN track THEN '48.' || 80000 + i % 7777 || ',2.' || 30000 + i % 7777 END,
    CASE WHEN track THEN repeat(md5(i::text), 9) || left(md5((i * 7)::text), (i % 32)::integer) END,
    NOT synced, i % 25 = 0, day + interval '2 hours', day + interval '3 hours'
FROM (
    SELECT i, i % 20 > 0 AS synced, i % 10 < 7 AS track, 1800 + i % 7200 AS moving, 2.5 + i % 60 / 10.0 AS speed, type,
        type LIKE '%Ride' AS ride, timestamp '2023-01-01' + i * interval '90 seconds' AS day
    FROM generate_series(1, {rows}::bigint) i, LATERAL (SELECT (ARRAY['Run', 'Ride', 'Run', 'Ride', 'Run', 'Walk',
        'run', 'TrailRun', 'VirtualRide', 'Swim', 'Hike', 'Run', 'WeightTraining', 'EBikeRide', 'Yoga', 'Ride',
        'cycling', 'GravelRide', 'Workout', 'AlpineSki', 'Crossfit', 'Rowing', 'Run'])[1 + i % 23] AS type) t
) a;
"""

_INDEXES = """
CREATE INDEX idx_activities_user_id ON activities (user_id);
CREATE INDEX idx_activities_start_date ON activities (start_date DESC);
CREATE INDEX idx_activities_activity_type ON activities (activity_type);
CREATE INDEX idx_activities_strava_activity_id ON activities (strava_activity_id);
"""

TABLES = (_EMPTY, _PEOPLE, _ROWS, _INDEXES)
READ = "SELECT count(a) FROM activities a"
