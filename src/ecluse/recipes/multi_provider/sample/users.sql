-- The application's own users, and links with which they set a new password.

create function public.update_updated_at_column() returns trigger language plpgsql as $$
begin
    new.updated_at = now();
    return new;
end
$$;

create table public.users (
    id @{key} primary key,
    email varchar(255) unique not null,
    password_hash varchar(255) not null,
    first_name varchar(100),
    last_name varchar(100),
    role varchar(50) not null default 'athlete',
    is_active boolean default true,
    is_verified boolean default false,
    created_at timestamp default now(),
    updated_at timestamp default now()
);
insert into public.users
    (id, email, password_hash, first_name, last_name, role, is_active, is_verified, created_at, updated_at)
select @{of_user}, 'athlete' || n || '@example.com', 'not-a-hash-' || n,
       case n when 2 then null when 3 then '' when 4 then '  ' when 6 then null
            else (array['Zoé', 'José', 'Anna', 'Łukasz', 'Мария', '丽', 'John', 'نادية'])
                [1 + pg_temp.chance(n, 1) % 8] end,
       case n when 2 then null when 3 then '' when 4 then ' ' when 5 then null
            else (array['Roy', 'Muñoz', 'Smith', 'Wójcik', 'O''Neil', 'Côté'])[1 + pg_temp.chance(n, 2) % 6] end,
       case when n = 1 then 'admin' when n = 7 then 'Athlete' when n = 8 then 'COACH'
            when pg_temp.share(n, 3) < 0.05 then 'coach' else 'athlete' end,
       pg_temp.share(n, 4) > 0.03, pg_temp.share(n, 5) > 0.2, at, at + (n % 50) * interval '1 hour'
from generate_series(1, @{people}) n
cross join lateral (select timestamp '2025-01-06 08:00' + n * interval '11 minutes' as at) moment
order by n;
create index idx_users_email on public.users (email);
create trigger update_users_updated_at before update on public.users
    for each row execute function public.update_updated_at_column();

create table public.password_reset_tokens (
    id @{key} primary key,
    user_id @{id} not null references public.users (id) on delete cascade,
    token varchar(255) unique not null,
    expires_at timestamp not null,
    is_used boolean default false,
    created_at timestamp default now(),
    updated_at timestamp default now()
);
-- The four kinds in turn: good for a hundred years, expired, used, and both.
insert into public.password_reset_tokens (id, user_id, token, expires_at, is_used, created_at, updated_at)
select @{of_token},
       (select u.id from public.users u where u.email = 'athlete' || (1 + n % @{people}) || '@example.com'),
       'no-real-reset-token-' || n, at + case when n % 2 = 0 then interval '100 years' else interval '1 hour' end,
       n % 4 in (1, 2), at, at
from generate_series(1, greatest(@{people} / 10, 8)) n
cross join lateral (select timestamp '2025-06-02 10:00' + n * interval '3 hours' as at) moment
order by n;
create index idx_password_reset_tokens_user_id on public.password_reset_tokens (user_id);
