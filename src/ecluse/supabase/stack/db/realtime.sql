-- Run by the database at its very first start: where the realtime service keeps what is its own.
CREATE SCHEMA IF NOT EXISTS _realtime;
ALTER SCHEMA _realtime OWNER TO supabase_admin;
