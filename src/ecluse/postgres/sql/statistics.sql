-- Extended statistics.
SELECT s.stxrelid::int8 AS "of",
       ARRAY[sn.nspname, s.stxname]::text[] AS name,
       pg_get_statisticsobjdef(s.oid) AS definition
  FROM pg_statistic_ext s
  JOIN pg_namespace sn ON sn.oid = s.stxnamespace
  JOIN pg_class c ON c.oid = s.stxrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY (%(schemas)s::text[])
 ORDER BY s.stxrelid, sn.nspname, s.stxname
