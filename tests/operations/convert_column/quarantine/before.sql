CREATE TABLE public.c (id text PRIMARY KEY, user_id text);
CREATE TABLE public.m (
  id integer PRIMARY KEY, c_id text NOT NULL CONSTRAINT m_c_id_fkey REFERENCES public.c (id), body text
);
INSERT INTO public.c VALUES ('1', 'A1111111-1111-1111-1111-111111111111'), ('2', 'me@example.org'), ('3', NULL);
INSERT INTO public.m SELECT id::integer, id, 'x' FROM public.c;
