-- The accounts beside: whoever looks for a column `role` without naming the schema finds it here as well.

insert into auth.users (
    instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, confirmation_token, recovery_token,
    email_change_token_new, email_change, raw_app_meta_data, raw_user_meta_data, created_at, updated_at
)
select '00000000-0000-0000-0000-000000000000', pg_temp.uuid_of(p.who, 'user'), 'authenticated', 'authenticated',
       u.email, '', u.created_at at time zone 'UTC', '', '', '', '', '{"provider": "email", "providers": ["email"]}', '{}',
       u.created_at at time zone 'UTC', u.created_at at time zone 'UTC'
from people p
join public.users u on u.id = p.id
order by p.who;
