CREATE TABLE public.t (id integer PRIMARY KEY, x text);
INSERT INTO public.t VALUES (1, 'a');
