-- Users' triggers; those that a partition has from its parent come with the parent's.
SELECT t.tgrelid::int8 AS "of",
       t.tgname::text AS name,
       pg_get_triggerdef(t.oid) AS definition,
       ARRAY[fn.nspname, f.proname]::text[] AS function,
       t.tgenabled::text AS enabled,
       t.tgtype & 1 > 0 AS "row",
       t.tgtype & 2 > 0 AS before,
       array_remove(ARRAY[CASE WHEN t.tgtype & 4 > 0 THEN 'insert' END,
                          CASE WHEN t.tgtype & 16 > 0 THEN 'update' END,
                          CASE WHEN t.tgtype & 8 > 0 THEN 'delete' END,
                          CASE WHEN t.tgtype & 32 > 0 THEN 'truncate' END], NULL) AS events,
       (SELECT array_agg(a.attname::text ORDER BY u.position)
          FROM unnest(t.tgattr::int2[]) WITH ORDINALITY AS u(number, position)
          JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum = u.number) AS columns,
       obj_description(t.oid, 'pg_trigger') AS comment
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_proc f ON f.oid = t.tgfoid
  JOIN pg_namespace fn ON fn.oid = f.pronamespace
 WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND n.nspname = ANY (%(schemas)s::text[])
 ORDER BY t.tgrelid, t.tgname
