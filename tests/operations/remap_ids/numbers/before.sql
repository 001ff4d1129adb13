-- Owners by number, as an application with its own users has them; a map says which accounts they are.
CREATE TABLE public.notes (id serial PRIMARY KEY, user_id integer NOT NULL, body text);
CREATE INDEX notes_user ON public.notes (user_id);
INSERT INTO public.notes (user_id, body) SELECT 1 + n % 5, 'note ' || n FROM generate_series(1, 40) n;
CREATE TABLE public.quotas (user_id bigint PRIMARY KEY, bytes integer);
INSERT INTO public.quotas SELECT n, n * 10 FROM generate_series(1, 5) n;
