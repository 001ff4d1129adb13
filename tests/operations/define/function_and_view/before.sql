CREATE TABLE public.t (id integer PRIMARY KEY);
CREATE FUNCTION public.f(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
INSERT INTO public.t VALUES (1), (2);
