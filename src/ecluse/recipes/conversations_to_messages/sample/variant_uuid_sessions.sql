alter table public.conversations alter column session_id type uuid
    using case when session_id ~ '^[{0-9A-Fa-f-]{32,38}' then session_id when session_id <> '' then md5(session_id) end::uuid;
