-- Run by the database at its very first start, as its superuser: the services log in with the password of .env.
\set password `printf '%s' "$POSTGRES_PASSWORD"`

ALTER ROLE supabase_admin PASSWORD :'password';
ALTER ROLE authenticator PASSWORD :'password';
ALTER ROLE supabase_auth_admin PASSWORD :'password';
ALTER ROLE supabase_storage_admin PASSWORD :'password';
