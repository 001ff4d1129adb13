CREATE TABLE public.t (id integer PRIMARY KEY, x text);
CREATE INDEX t_x ON public.t (x);
INSERT INTO public.t VALUES (1, 'a');
