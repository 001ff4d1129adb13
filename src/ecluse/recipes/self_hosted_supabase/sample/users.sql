-- The gateway's tables: users, how they came, how they get in again, and what they did.

create table public.users (
    id serial primary key,
    email varchar,
    password_hash varchar not null,
    full_name varchar,
    role varchar,
    is_active boolean,
    created_at timestamp not null,
    last_login timestamp
);
create unique index ix_users_email on public.users (email);
create index ix_users_id on public.users (id);

with named as (
    select d.*,
           1 + floor(pg_temp.dice(d.id, 'first') * 10)::integer as f,
           1 + floor(pg_temp.dice(d.id, 'last') * 10)::integer as l,
           -- Every tenth came at the very moment of the one before.
           timestamp '2025-01-06 08:00' + (d.id - (d.id % 10 = 0)::integer) * interval '90 seconds' as created
    from drawn d
),
addressed as (
    select n.*,
           (array['zoe', 'jose', 'anna', 'lukasz', 'maria', 'li', 'john', 'nadia', 'soren', 'amelie'])[f] || '.'
               || (array['roy', 'munoz', 'smith', 'wojcik', 'ivanova', 'wang', 'oneil', 'haddad', 'jorgensen', 'cote'])[l]
               || id || (array['@example.com', '@example.org', '@example.net'])[1 + id % 3] as address
    from named n
)
insert into public.users (id, email, password_hash, full_name, role, is_active, created_at, last_login)
select a.id,
       case when a.id = 1 then 'admin@example.com' when a.email = 'good' then address
            when a.email = 'twin' then pg_temp.twin(nth_email)
            when a.email = 'missing' then case nth_email when 2 then '' when 3 then '   ' end
            when a.email = 'invalid' then (array['no-at-sign' || a.id, split_part(address, '@', 1) || '@',
                'with blank ' || address, '@' || a.id || '.example.com', repeat('x', 250) || address])[1 + nth_email % 5]
            when a.email = 'untidy' then (array[' ' || address, address || '  ', upper(address)])[1 + nth_email % 3]
            when a.email = 'long' then rpad('a.very.long.name.', 64 - length(a.id::text), 'x') || a.id || '@'
                || repeat('department.', 16) || 'example.com' end,
       hash,
       case when a.state = 'long name' then repeat('Ève-Marie de la Très Longue Écluse ', 12)
            when pg_temp.dice(a.id, 'nameless') < 0.03 then null
            when pg_temp.dice(a.id, 'nameless') < 0.04 then ''
            else (array['Zoé', 'José', 'Anna', 'Łukasz', 'Мария', '丽', 'John', 'نادية', 'Søren', 'Amélie'])[f] || ' '
                || (array['Roy', 'Muñoz', 'Smith', 'Wójcik', 'Иванова', '王', 'O''Neil', 'حداد', 'Jørgensen', 'Côté'])[l] end,
       case when a.id = 1 then 'admin' else 'user' end,
       a.state <> 'inactive' or a.id = 1,
       created,
       case when a.id = 1 or pg_temp.dice(a.id, 'login') > 0.3
            then created + floor(pg_temp.dice(a.id, 'login') * 200 * 86400) * interval '1 second' end
from addressed a
-- Seven of ten bcrypts are as the application makes them, and the admin's.
join pool on pool.kind = case when a.id = 1 then 'bcrypt' else a.password end and pool.place = case
    when a.id = 1 or a.password = 'bcrypt' and pg_temp.dice(a.id, 'cost') < 0.7 then 1
    when a.password = 'bcrypt' then 2 + nth_password % 4
    when a.password = 'refused' then 1 + nth_password % 11 else 1 + nth_password % 4 end
order by a.id;
select setval('public.users_id_seq', @{rows});

create table public.invitations (
    id serial primary key,
    code varchar not null,
    email varchar,
    created_by integer references public.users (id),
    created_at timestamp,
    expires_at timestamp not null,
    used_at timestamp,
    used_by integer references public.users (id)
);
create unique index ix_invitations_code on public.invitations (code);
create index ix_invitations_id on public.invitations (id);
-- Two of three brought somebody in.
insert into public.invitations (code, email, created_by, created_at, expires_at, used_at, used_by)
select pg_temp.token(n, 'invitation'), case when n % 2 = 0 then 'guest' || n || '@example.org' end,
       case when n % 20 > 0 then 1 end, at, at + interval '7 days',
       case when n % 3 > 0 then at + pg_temp.dice(n, 'used') * interval '7 days' end,
       case when n % 3 > 0 then least(1 + n, @{rows}) end
from generate_series(1, greatest(@{rows} / 3, 6)) n
cross join lateral (select pg_temp.moment(n, 'invitation') as at) moment
order by n;

create table public.password_reset_tokens (
    id serial primary key,
    token varchar not null,
    user_id integer not null references public.users (id),
    email varchar not null,
    created_at timestamp,
    expires_at timestamp not null,
    used_at timestamp
);
create unique index ix_password_reset_tokens_token on public.password_reset_tokens (token);
create index ix_password_reset_tokens_id on public.password_reset_tokens (id);
insert into public.password_reset_tokens (token, user_id, email, created_at, expires_at, used_at)
select pg_temp.token(n, 'reset'), u.id, coalesce(u.email, ''), at, at + interval '1 hour',
       case when n % 2 = 0 then at + interval '5 minutes' end
from generate_series(1, greatest(@{rows} / 20, 3)) n
join public.users u on u.id = 1 + floor(pg_temp.dice(n, 'forgot') * @{rows})
cross join lateral (select pg_temp.moment(n, 'reset') as at) moment
order by n;

create table public.activity_logs (
    id serial primary key,
    user_id integer references public.users (id),
    action varchar not null,
    resource_type varchar,
    resource_id integer,
    details text,
    created_at timestamp
);
create index ix_activity_logs_created_at on public.activity_logs (created_at);
create index ix_activity_logs_id on public.activity_logs (id);
insert into public.activity_logs (user_id, action, resource_type, resource_id, details, created_at)
select case when n % 10 <> 3 then 1 + floor(pg_temp.dice(n, 'who') * @{rows})::integer end,
       (array['login', 'login', 'chat_message', 'search', 'report_created', 'watch_created', 'watch_triggered'])[1 + d],
       case d when 4 then 'report' when 5 then 'watch' when 6 then 'watch' end,
       case when d > 3 then 1 + floor(pg_temp.dice(n, 'what') * greatest(@{rows} / 10, 1))::integer end,
       case when d > 1 then json_build_object('query', pg_temp.prose(n, 'details', 60))::text end,
       pg_temp.moment(n, 'activity')
from generate_series(1, @{rows}) n
cross join lateral (select floor(pg_temp.dice(n, 'action') * 7)::integer as d) action
order by n;
