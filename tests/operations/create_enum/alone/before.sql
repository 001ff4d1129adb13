CREATE TABLE public.t (id integer PRIMARY KEY);
INSERT INTO public.t VALUES (1);
