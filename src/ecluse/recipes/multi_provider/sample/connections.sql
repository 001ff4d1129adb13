-- What the application knows of its users at Strava.

create temporary table people on commit drop as
select n as who, @{of_user} as id,
       case when n in (9, 10) then 9 when n > 16 and n % 500 in (77, 78) then n - (n % 500 - 77) else n end as athlete,
       case when n = 12 then 0 when n in (9, 10, 11, 13) then 1
            when n > 16 and n % 500 in (77, 78, 99) then 1
            else (pg_temp.share(n, 6) < 0.7)::integer end as connected
from generate_series(1, @{people}) n;
create unique index on people (who);
analyze people;

create table public.strava_connections (
    id @{key} primary key,
    user_id @{id} not null references public.users (id) on delete cascade,
    strava_athlete_id bigint not null,
    strava_username varchar(255),
    strava_firstname varchar(255),
    strava_lastname varchar(255),
    strava_profile_url varchar(500),
    strava_profile_picture varchar(500),
    access_token text not null,
    refresh_token text not null,
    token_expires_at timestamp not null,
    scopes varchar(500),
    last_sync_at timestamp,
    created_at timestamp default now(),
    updated_at timestamp default now()
);
with made as (
    select p.id as user_id, p.who, 700000 + p.athlete as athlete, 0 as again from people p where connected = 1
    union all
    select p.id, p.who, 900000 + p.who, 1 from people p
    where p.who = 11 or p.who > 16 and p.who % 500 = 99
),
numbered as (select m.*, row_number() over (order by who, again) as n from made m)
insert into public.strava_connections (
    id, user_id, strava_athlete_id, strava_username, strava_firstname, strava_lastname, strava_profile_url,
    strava_profile_picture, access_token, refresh_token, token_expires_at, scopes, last_sync_at, created_at, updated_at
)
select @{of_connection}, user_id, athlete,
       case when n % 4 > 0 then 'rider_' || athlete end,
       case n % 9 when 1 then null when 2 then '' when 3 then 'null' when 4 then '{"a": [1]}' else 'Prénom' end,
       case n % 9 when 5 then 'O''Neil "Jr" \ ' || chr(10) || 'fils' when 6 then ' ' when 1 then null else 'Nom' end,
       case when n % 5 > 0 then 'https://www.example.com/athletes/' || athlete end,
       case n % 3 when 0 then 'avatar/athlete/large.png'
                  when 1 then 'https://img.example.com/' || athlete || '.jpg' end,
       'no-real-access-token-' || n, 'no-real-refresh-token-' || n,
       timestamp '2025-10-01 06:00' + n * interval '6 hours'
           + case when n % 2 = 0 then interval '100 years' else interval '0' end,
       case when n % 7 > 0 then 'read,activity:read_all,profile:read_all' end,
       case when n % 3 > 0 then timestamp '2025-10-01 00:00' + n * interval '1 minute' end,
       timestamp '2025-02-01 09:00' + n * interval '17 minutes',
       timestamp '2025-02-01 09:00' + n * interval '18 minutes'
from numbered
order by n;
create index idx_strava_connections_user_id on public.strava_connections (user_id);
create trigger update_strava_connections_updated_at before update on public.strava_connections
    for each row execute function public.update_updated_at_column();
