CREATE TABLE public.sessions (
  id integer PRIMARY KEY, session text, person text, title text, hits integer, at timestamp with time zone
);
INSERT INTO public.sessions VALUES
  (1, 's', 'a', 'one', 2, '2020-01-01'), (2, 's', 'a', 'two', 3, '2020-01-02'), (9, 's', 'a', 'two', NULL, '2020-01-02'),
  (3, 's', 'b', 'other', 1, '2020-01-01'), (4, NULL, 'a', 'alone', NULL, NULL), (5, NULL, 'a', NULL, 5, '2020-01-01');
