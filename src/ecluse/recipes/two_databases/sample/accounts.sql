-- Accounts, as an auth service keeps them, of the people who write in the application.
-- Of every ten, the seventh never had one here, the eighth was deleted, and the fourth signed up by telephone.

insert into auth.users (
    instance_id, id, aud, role, email, phone, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, is_sso_user,
    deleted_at, created_at, updated_at, confirmation_token, recovery_token, email_change_token_new, email_change
)
select '00000000-0000-0000-0000-000000000000', a.id, 'authenticated', 'authenticated', a.email, a.phone, a.confirmed,
       '{"provider": "email", "providers": ["email"]}', a.said, a.sso, a.deleted, a.at, a.at, '', '', '', ''
from (
    select pg_temp.uuid_of(u, 'user')::uuid, case when u % 10 <> 4 then 'person' || u || '@example.com' end,
           case when u % 10 = 4 then '1555' || (1000000 + u) end,
           case when u % 5 > 0 then timestamptz '2025-09-02 00:00+00' + u * interval '1 hour' end,
           jsonb_build_object('first_name', 'Person', 'last_name', u::text, 'preferred_language', 'en')
               || case when u % 10 = 3 then '{"user_type": "super_admin", "plan": "enterprise"}' else '{}' end::jsonb,
           false,
           case when u % 10 = 8 then timestamptz '2025-10-01 00:00+00' end,
           timestamptz '2025-09-01 00:00+00' + u * interval '1 hour'
    from generate_series(1, greatest(@{rows} / 20, 3)) u where u % 10 <> 7
    union all
    -- Two people whose e-mails differ by case, and one who also comes by the single sign-on of a company.
    values (pg_temp.uuid_of(1, 'twin')::uuid, 'Person1@example.com', null, null::timestamptz, '{}'::jsonb, false,
            null::timestamptz, timestamptz '2025-10-02 00:00+00'),
           (pg_temp.uuid_of(2, 'sso')::uuid, 'person2@example.com', null, timestamptz '2025-10-02 00:00+00', null, true,
            null, timestamptz '2025-10-02 00:00+00')
) a (id, email, phone, confirmed, said, sso, deleted, at);
