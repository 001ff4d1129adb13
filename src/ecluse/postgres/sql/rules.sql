-- Rules, other than those that make a view.
SELECT r.ev_class::int8 AS "of",
       r.rulename::text AS name,
       pg_get_ruledef(r.oid) AS definition,
       r.ev_enabled::text AS state
  FROM pg_rewrite r
  JOIN pg_class c ON c.oid = r.ev_class
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE r.rulename <> '_RETURN' AND n.nspname = ANY (%(schemas)s::text[])
 ORDER BY r.ev_class, r.rulename
