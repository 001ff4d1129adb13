-- What stands around the conversations in such databases.

create table public.users (id text primary key);
insert into public.users select pg_temp.uuid_of(u, 'user') from generate_series(1, greatest(@{rows} / 20, 3)) u;

create table public.analytics_events (
    id bigint generated always as identity primary key,
    payload jsonb not null,
    created_at timestamp default current_timestamp
);
comment on table public.analytics_events is 'Names conversations inside its payload, with no foreign key';
insert into public.analytics_events (payload, created_at)
select jsonb_build_object('event', 'opened', 'conversation_id', pg_temp.uuid_of(n, 'conversation')),
       timestamp '2025-09-20' + n * interval '61 seconds'
from generate_series(1, @{rows}, 10) n;

create table public.invitations (
    id uuid primary key default gen_random_uuid(),
    inviter_email text not null,
    invited_email text not null,
    status text default 'pending',
    token text unique,
    created_at timestamptz default now()
);
insert into public.invitations (id, inviter_email, invited_email, token, created_at)
select pg_temp.uuid_of(n, 'invitation')::uuid, 'host' || n || '@example.com', 'guest' || n || '@example.com',
       md5('@{seed}' || n), timestamptz '2025-09-01 08:00+00' + n * interval '1 hour'
from generate_series(1, 5) n;

create table public.invitations_cache (id serial primary key, cached jsonb, expires_at timestamp);
insert into public.invitations_cache (cached, expires_at)
select jsonb_build_object('n', n), timestamp '2025-10-01' + n * interval '1 day' from generate_series(1, 4) n;

create table public.questions_cache (cache_key text primary key, question text, hits integer default 0);
insert into public.questions_cache select 'q' || n, pg_temp.prose(n, 'cached', 60), n from generate_series(1, 6) n;

do $$
begin
    if not exists (select from pg_roles where rolname = 'app_user') then
        create role app_user nologin;
    end if;
exception when duplicate_object or unique_violation then
    null;  -- another session made it between the question and the answer
end
$$;
grant usage on schema public to app_user;
