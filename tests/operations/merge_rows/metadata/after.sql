CREATE TABLE public.sessions (
  id integer PRIMARY KEY, session text, person text, title text, hits integer, at timestamp with time zone, metadata jsonb
);
INSERT INTO public.sessions VALUES
  (1, 's', 'a', 'two', 5, '2020-01-01', '{"merged": [{"title": "one", "hits": "2"},
    {"id": "2", "hits": "3", "at": "2020-01-02 00:00:00+00"}, {"id": "9", "hits": null, "at": "2020-01-02 00:00:00+00"}]}'),
  (3, 's', 'b', 'other', 1, '2020-01-01', NULL),
  (4, NULL, 'a', 'alone', NULL, NULL, NULL), (5, NULL, 'a', NULL, 5, '2020-01-01', NULL);
