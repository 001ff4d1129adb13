CREATE TABLE public.talks (id integer PRIMARY KEY);
CREATE TABLE public.lines (
  talk_id integer NOT NULL CONSTRAINT lines_talk_id_fkey REFERENCES public.talks (id) ON DELETE CASCADE,
  n integer NOT NULL,
  role text NOT NULL,
  content text NOT NULL,
  PRIMARY KEY (talk_id, n)
);
INSERT INTO public.talks VALUES (1), (2), (3), (4);
INSERT INTO public.lines VALUES (1, 1, 'user', 'q'), (1, 2, 'assistant', 'r'), (2, 1, 'user', ''), (3, 2, 'assistant', '');
