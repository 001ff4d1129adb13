-- What users did, as they wrote it down or as Strava told it.

create table public.activities (
    id serial primary key,
    user_id @{id} not null references public.users (id) on delete cascade,
    strava_activity_id bigint,
    strava_upload_id bigint,
    name varchar(255) not null,
    description text,
    activity_type varchar(50) not null,
    start_date timestamp not null,
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
    is_manual boolean default false,
    is_private boolean default false,
    created_at timestamp default now(),
    updated_at timestamp default now()
);
-- The first sixteen have one each, some one more; then chance says who. `twice` is the activity before once more, and 21
-- and 22 are one activity of one athlete, which two users have.
with drawn as (
    select n, pg_temp.chance(n, 10) as c,
           case when n <= 16 then n when n in (17, 18) then 11 when n in (19, 20) then 13 when n in (21, 22) then n - 12
                else 1 + pg_temp.chance(n, 11) % @{people} end as who
    from generate_series(1, @{rows}) n
),
told as (
    select d.*, p.id as user_id, d.n in (18, 20) or d.n > 22 and d.n % 1000 = 500 as twice,
           d.n not in (9, 10, 11, 12, 13, 17, 18, 19, 20, 21, 22) and d.n % 1000 not in (499, 500)
               and c % 10 = 0 as manual,
           p.athlete
    from drawn d join people p on p.who = d.who
),
sized as (
    select t.*, 600 + (c >> 8) % 14400 as seconds, 1000 + (c >> 16) % 90000 as metres,
           timestamp '2023-03-01 06:00' + (c >> 24) % 83000000 * interval '1 second' as at,
           case when manual then null when n in (21, 22) then 8000000021
                when twice then 8000000000 + n - 1 else 8000000000 + n end as told_id
    from told t
)
insert into public.activities (
    id, user_id, strava_activity_id, strava_upload_id, name, description, activity_type, start_date, timezone,
    moving_time, elapsed_time, distance, average_speed, max_speed, average_pace, average_heartrate, max_heartrate, average_watts,
    max_watts, weighted_average_watts, average_cadence, total_elevation_gain, calories, suffer_score, start_latlng,
    end_latlng, map_polyline, is_manual, is_private, created_at, updated_at
)
select s.n, case when twice and n > 22 then b.user_id else s.user_id end, told_id,
       case when c % 7 > 0 then told_id + 1000000000 end,
       (array['Morning run', 'Sortie longue', 'Лёгкий бег', 'Tour du lac 🚴', 'Évening "easy"'])[1 + (c >> 3) % 5],
       case when c % 11 = 0 then repeat('Felt good, then did not. ', 1 + (c % 5)::integer) end,
       (array['Run', 'Run', 'Run', 'Run', 'Ride', 'Ride', 'Ride', 'Swim', 'Walk', 'Hike', 'TrailRun', 'VirtualRide',
              'EBikeRide', 'WeightTraining', 'GravelRide', 'Yoga', 'run', 'RUNNING', 'cycling', 'Workout', 'Crossfit',
              'MountainBikeRide', 'VirtualRun', 'training', 'AlpineSki', 'Rowing', 'Parkour?', ' Run ', 'other'])
           [1 + case when n <= 29 then n - 1 else (c >> 5) % 29 end],
       at, case when c % 13 > 0 then '(GMT+01:00) Europe/Paris' end, seconds, seconds + c % 900,
       metres, metres::double precision / seconds, 1.4 * metres / seconds, seconds / 60.0 / (metres / 1000.0),
       case when c % 3 > 0 then 110 + c % 60 end, case when c % 3 > 0 then 140 + c % 60 end,
       case when c % 4 = 0 then 150 + c % 120 end, case when c % 4 = 0 then 300 + c % 500 end,
       case when c % 4 = 0 then 160.5 + c % 120 end, case when c % 5 > 0 then 70.25 + c % 30 end,
       c % 900, c % 1500, case when c % 6 > 0 then (c % 200)::integer end,
       case when c % 8 > 0 then '0.0' || c % 999 || ',0.0' || (c >> 4) % 999 end,
       case when c % 8 > 0 then '0.1' || c % 999 || ',0.1' || (c >> 4) % 999 end,
       case when c % 8 > 0 then repeat(md5(c::text), 2 + (c % 4)::integer) end,
       manual, c % 17 = 0, at + interval '4 hours', at + interval '4 hours' + c % 5 * interval '1 day'
from sized s
-- Whose activity a repeated one repeats.
left join lateral (
    select q.id as user_id from drawn e join people q on q.who = e.who where s.twice and e.n = s.n - 1
) b on true
order by s.n;
create index idx_activities_user_id on public.activities (user_id);
create index idx_activities_start_date on public.activities (start_date desc);
create index idx_activities_strava_activity_id on public.activities (strava_activity_id);
create trigger update_activities_updated_at before update on public.activities
    for each row execute function public.update_updated_at_column();
select setval('public.activities_id_seq', greatest(@{rows}, 1));
