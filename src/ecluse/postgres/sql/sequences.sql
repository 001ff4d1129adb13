-- Sequences, with the column that owns each.
SELECT c.oid::int8 AS oid,
       ARRAY[n.nspname, c.relname]::text[] AS name,
       format_type(q.seqtypid, NULL) AS type,
       q.seqstart AS start,
       q.seqincrement AS increment,
       q.seqmin AS minimum,
       q.seqmax AS maximum,
       q.seqcache AS cache,
       q.seqcycle AS cycle,
       o.owned_by,
       coalesce(o.identity, false) AS identity,
       c.relpersistence::text AS persistence,
       pg_get_userbyid(c.relowner)::text AS owner,
       obj_description(c.oid, 'pg_class') AS comment,
       coalesce((SELECT e.extname::text FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
                    AND d.refclassid = 'pg_extension'::regclass), '') AS extension
  FROM pg_sequence q
  JOIN pg_class c ON c.oid = q.seqrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (
       SELECT ARRAY[tn.nspname, t.relname, a.attname]::text[] AS owned_by, d.deptype = 'i' AS identity
         FROM pg_depend d
         JOIN pg_class t ON t.oid = d.refobjid
         JOIN pg_namespace tn ON tn.oid = t.relnamespace
         JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
          AND d.deptype IN ('a', 'i')
        LIMIT 1) AS o ON true
 WHERE n.nspname = ANY (%(schemas)s::text[])
 ORDER BY n.nspname, c.relname
