CREATE TABLE public.ratings (id integer PRIMARY KEY, stars integer, note text DEFAULT 'n', kept text);
INSERT INTO public.ratings VALUES (1, 1, NULL, 'a'), (2, -1, 'x', ''), (3, 7, 'n', NULL), (4, NULL, '', 'd');
