CREATE FUNCTION public.f(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1 + 1';
CREATE VIEW public.v AS SELECT id, public.f(id) AS next FROM public.t;
COMMENT ON VIEW public.v IS 'each and its next';
COMMENT ON COLUMN public.v.next IS 'one more';
COMMENT ON FUNCTION public.f(integer) IS 'adds one';
