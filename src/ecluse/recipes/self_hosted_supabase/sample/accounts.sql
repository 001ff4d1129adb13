-- Some are in the Supabase already, under an id that nobody told the application, with another password. Four more there
-- are no users: two signed up themselves, one of these by telephone, one came with Google, one is a guest without a name.

create temporary table accounts on commit drop as
select a.id, a.email, phone, provider, coalesce(subject, a.id::text) as subject,
       case when provider = 'email' then hash end as hash, at
from (
    select pg_temp.uuid_of(d.id, 'account')::uuid, lower(u.email), null, 'email', null, u.created_at at time zone 'UTC'
    from (
        select id, row_number() over (order by pg_temp.dice(id, 'account'), id) as place
        from drawn where email = 'good' and id > 1
    ) d
    join public.users u using (id)
    where place <= greatest(1, round(@{rows} * 0.005))
    union all
    values (pg_temp.uuid_of(1, 'newcomer')::uuid, 'newcomer@example.net', null, 'email', null,
            timestamptz '2025-11-03 10:00+00'),
           (pg_temp.uuid_of(2, 'newcomer')::uuid, null, '15550100002', 'phone', null, '2025-11-03 11:00+00'),
           (pg_temp.uuid_of(3, 'newcomer')::uuid, 'with.google@example.net', null, 'google', '100000000000000000003',
            '2025-11-03 12:00+00'),
           (pg_temp.uuid_of(4, 'newcomer')::uuid, null, null, null, null, '2025-11-03 13:00+00')
) a (id, email, phone, provider, subject, at)
join pool on kind = 'account';

insert into auth.users (
    instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, phone, phone_confirmed_at,
    confirmation_token, recovery_token, email_change_token_new, email_change, raw_app_meta_data, raw_user_meta_data,
    created_at, updated_at, is_anonymous
)
select '00000000-0000-0000-0000-000000000000', id, 'authenticated', 'authenticated', email, hash,
       case when email is not null then at end, phone, case when phone is not null then at end, '', '', '', '',
       case when provider is null then '{}'
            else jsonb_build_object('provider', provider, 'providers', jsonb_build_array(provider)) end,
       case when provider is null then '{}' else jsonb_build_object('email_verified', email is not null) end,
       at, at, provider is null
from accounts
order by id;

insert into auth.identities (id, provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
select pg_temp.uuid_of(1, 'identity' || id)::uuid, subject, id,
       jsonb_strip_nulls(jsonb_build_object('sub', subject, 'email', email, 'phone', phone,
           'email_verified', email is not null, 'phone_verified', phone is not null)),
       provider, at, at, at
from accounts
where provider is not null
order by id;
