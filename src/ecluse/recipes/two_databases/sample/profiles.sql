-- Profiles with ids of their own, and the account in auth_user_id: as they came to be, and with what went wrong.

create table public.users (
    id uuid primary key default gen_random_uuid(),
    auth_user_id uuid,
    email varchar(255) not null constraint users_email_key unique,
    email_verified boolean default false,
    first_name text,
    last_name text,
    full_name text,
    country text,
    phone text,
    company_name text,
    user_type text default 'producer',
    language text default 'fr',
    plan text default 'free',
    avatar_url text,
    preferences jsonb default '{}',
    is_admin boolean default false,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);
create index idx_users_auth_user_id on public.users (auth_user_id);
create index idx_users_country on public.users (country);

insert into public.users (id, auth_user_id, email, email_verified, first_name, last_name, full_name, country, user_type, plan,
    preferences, is_admin, created_at, updated_at)
select p.id, p.account, p.email, p.u % 5 > 0, 'Person', p.u::text, 'Dr. Person ' || p.u, (array['CA', 'FR', null])[1 + p.u % 3],
       case when p.u % 10 = 3 then 'super_admin' else 'producer' end, case when p.u % 4 = 0 then 'professional' else 'free' end,
       jsonb_build_object('units', case when p.u % 2 = 0 then 'metric' else 'imperial' end), p.u % 10 = 3,
       timestamptz '2025-09-05 00:00+00' + p.u * interval '1 hour', timestamptz '2025-09-06 00:00+00' + p.u * interval '1 hour'
from (
    select u,
           -- The ninth has an id that is the account of the tenth; the trigger made the last ones, with one id for both.
           case when u = 9 then pg_temp.uuid_of(10, 'user') when u > 14 then pg_temp.uuid_of(u, 'user')
                else pg_temp.uuid_of(u, 'profile') end::uuid,
           -- The first and the fifth name no account; the sixth names one that is gone; the eleventh has somebody's e-mail.
           case when u in (1, 5) then null when u = 6 then pg_temp.uuid_of(7, 'user') else pg_temp.uuid_of(u, 'user') end::uuid,
           case u when 5 then 'PERSON5@example.com' when 11 then 'person12@example.com' else 'person' || u || '@example.com' end
    from generate_series(1, greatest(@{rows} / 20, 3)) u where u % 10 not in (4, 7, 8) and u <> 12
    union all
    values (1, pg_temp.uuid_of(1, 'twin profile')::uuid, pg_temp.uuid_of(1, 'twin')::uuid, 'Person1@example.com'),
           -- A second profile claims the account of the second.
           (2, pg_temp.uuid_of(2, 'second profile')::uuid, pg_temp.uuid_of(2, 'user')::uuid, 'second@example.com')
) p (u, id, account, email);

create function public.handle_new_user() returns trigger language plpgsql security definer as $$
begin
    insert into public.users (id, auth_user_id, email, email_verified, first_name)
    values (new.id, new.id, new.email, new.email_confirmed_at is not null, new.raw_user_meta_data ->> 'first_name')
    on conflict (id) do update set email = coalesce(excluded.email, public.users.email);
    return new;
end
$$;
create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();

-- Compared with the wrong id, so it lets nobody in but those whom the trigger made.
alter table public.users enable row level security;
create policy "Users can view own profile" on public.users for select using (auth.uid() = id);
create policy "Users can update own profile" on public.users for update using (auth.uid() = id);
