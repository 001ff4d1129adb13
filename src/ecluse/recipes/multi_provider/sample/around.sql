-- What users plan to do, and whether they did.

create table public.workouts (
    id @{key} primary key,
    user_id @{id} not null references public.users (id) on delete cascade,
    name varchar(255) not null,
    description text,
    workout_type varchar(50),
    scheduled_date date,
    completed_at timestamp,
    activity_id integer references public.activities (id) on delete set null,
    workout_data jsonb,
    created_at timestamp default now(),
    updated_at timestamp default now()
);
insert into public.workouts (
    id, user_id, name, description, workout_type, scheduled_date, completed_at, activity_id, workout_data, created_at,
    updated_at
)
select @{of_workout}, p.id, 'Séance ' || n, case when n % 3 = 0 then '4 × 1000 m, r = 2''' end,
       (array['Run', 'intervals', 'ride', null, 'Yoga', 'running'])[1 + n % 6], date '2025-09-01' + n % 60,
       case when a.id is not null then a.start_date end, a.id,
       case when n % 2 = 0 then jsonb_build_object('steps', n % 7, 'note', null) end, at, at
from generate_series(1, greatest(@{rows} / 50, 6)) n
join people p on p.who = 1 + pg_temp.chance(n, 20) % @{people}
left join lateral (select x.id, x.start_date from public.activities x where x.user_id = p.id order by x.id limit 1) a
    on n % 4 = 0
cross join lateral (select timestamp '2025-08-01 12:00' + n * interval '1 hour' as at) moment
order by n;
create index idx_workouts_user_id on public.workouts (user_id);
