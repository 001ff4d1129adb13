CREATE TABLE public.sessions (
  id integer PRIMARY KEY, session text, person text, title text, hits integer, at timestamp with time zone
);
INSERT INTO public.sessions VALUES
  (1, 's', 'a', 'two', 5, '2020-01-01'), (3, 's', 'b', 'other', 1, '2020-01-01'),
  (4, NULL, 'a', 'alone', NULL, NULL), (5, NULL, 'a', NULL, 5, '2020-01-01');
