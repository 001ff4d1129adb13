CREATE TYPE public.level AS ENUM ('low', 'high');
CREATE TABLE public.users (id text PRIMARY KEY, level public.level);
INSERT INTO public.users SELECT md5(n::text)::uuid::text, 'low' FROM generate_series(1, 40) n;
INSERT INTO public.users VALUES ('00000000-0000-4000-8000-000000000001', 'high');
