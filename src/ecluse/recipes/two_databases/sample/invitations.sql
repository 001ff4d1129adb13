-- Invitations as the application has them in the end, by people that it knows by e-mail and, perhaps, by an id.

alter table public.invitations
    add inviter_name text,
    add inviter_user_id uuid,
    add invited_name text,
    add invitation_code text,
    add expires_at timestamptz,
    add accepted_at timestamptz,
    add updated_at timestamptz default now();

insert into public.invitations (
    id, inviter_email, inviter_name, inviter_user_id, invited_email, invited_name, status, token, invitation_code,
    expires_at, accepted_at, created_at, updated_at
)
select pg_temp.uuid_of(100 + n, 'invitation')::uuid,
       'person' || u || '@example.com',
       case when n % 6 > 0 then 'Person ' || u end,
       -- The account mostly; the id of a profile, an id that nobody has, or none: each is somebody else's mistake.
       case when n % 9 = 0 then pg_temp.uuid_of(u, 'profile') when n % 11 = 0 then null
            when n % 13 = 0 then pg_temp.uuid_of(n, 'nobody') else pg_temp.uuid_of(u, 'user') end::uuid,
       -- Some are invited twice, once in capitals.
       case when n % 10 = 0 then upper('guest' || n - 1 || '@example.org') else 'guest' || n || '@example.org' end,
       case when n % 4 = 0 then 'Guest ' || n end,
       (array['pending', 'pending', 'accepted', 'expired', 'cancelled'])[1 + n % 5],
       case when n % 7 > 0 then md5('@{seed}token' || n) end,
       case when n % 3 = 0 then upper(left(md5('@{seed}code' || n), 8)) end,
       case when n % 8 > 0 then timestamptz '2025-12-01 12:00+00' + n * interval '1 hour' end,
       case when n % 5 = 2 then timestamptz '2025-10-09 12:00+00' + n * interval '1 minute' end,
       timestamptz '2025-10-08 12:00+00' + n * interval '1 minute',
       timestamptz '2025-10-08 12:00+00' + n * interval '2 minutes'
from generate_series(1, greatest(@{rows} / 10, 40)) n
cross join lateral (select 1 + n % greatest(@{rows} / 20, 3) as u) person;

create index idx_invitations_inviter_email on public.invitations (inviter_email);
create index idx_invitations_invited_email on public.invitations (invited_email);
create index idx_invitations_status on public.invitations (status);
create trigger update_invitations_updated_at before update on public.invitations
    for each row execute function public.update_updated_at_column();
