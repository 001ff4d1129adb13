CREATE TABLE public.talks (id integer PRIMARY KEY, question text, response text, source text);
INSERT INTO public.talks VALUES (1, 'q', 'r', 'web'), (2, '', NULL, NULL), (3, NULL, '', 'app'), (4, NULL, NULL, NULL);
