alter table public.conversations alter column user_id type uuid
    using case when user_id like '%@%' then '00000000-0000-4000-8000-000000000001' else user_id end::uuid;
