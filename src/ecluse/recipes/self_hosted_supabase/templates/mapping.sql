create table @{table} (
    old_user_id @{type} not null primary key,
    supabase_user_id uuid not null unique,
    email text not null,
    matched boolean not null default false,
    migrated_at timestamptz not null default now()
);
create index user_id_mapping_email_idx on @{table} (email);
alter table @{table} enable row level security;
