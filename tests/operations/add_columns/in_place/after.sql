CREATE TABLE public.t (id integer PRIMARY KEY, status text NOT NULL DEFAULT 'new', note text);
INSERT INTO public.t VALUES (1), (2);
