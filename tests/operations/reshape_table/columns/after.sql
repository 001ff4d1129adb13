CREATE TABLE public.ratings (id integer PRIMARY KEY, kept text, mood text);
INSERT INTO public.ratings VALUES (1, 'a', 'positive'), (2, '', 'negative'), (3, NULL, NULL), (4, 'd', NULL);
