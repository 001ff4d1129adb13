CREATE TABLE public.t (id integer PRIMARY KEY, word text);
CREATE TABLE public.u (id integer PRIMARY KEY, seen integer DEFAULT 0);
CREATE VIEW public.words AS SELECT id, word FROM public.t;
CREATE VIEW public.long_words AS SELECT id FROM public.words WHERE length(word) > 3;
INSERT INTO public.t VALUES (1, 'ship'), (2, 'sea');
INSERT INTO public.u VALUES (1);
