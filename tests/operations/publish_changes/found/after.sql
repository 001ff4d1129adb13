CREATE TABLE public.notes (id integer PRIMARY KEY, user_id text);
CREATE TABLE public.other (id integer PRIMARY KEY);
CREATE PUBLICATION supabase_realtime FOR TABLE public.notes, public.other WITH (publish_via_partition_root);
CREATE PUBLICATION audit FOR TABLE public.notes;
