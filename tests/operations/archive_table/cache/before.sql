CREATE TABLE public.t (id integer PRIMARY KEY);
CREATE TABLE public.cache (id integer PRIMARY KEY, body text);
INSERT INTO public.cache VALUES (1, 'x');
