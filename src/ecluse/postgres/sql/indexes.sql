-- Indexes of tables and materialised views. `head` is what pg_get_indexdef() begins with, `predicate` what it ends with.
SELECT x.indrelid::int8 AS "of",
       i.relname::text AS name,
       x.indisunique AS unique,
       pg_get_indexdef(x.indexrelid) AS definition,
       format('CREATE %%sINDEX %%I ON %%s%%I.%%I ', CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END, i.relname,
              CASE WHEN i.relkind = 'I' THEN 'ONLY ' ELSE '' END, n.nspname, c.relname) AS head,
       pg_get_expr(x.indpred, x.indrelid) AS predicate,
       ts.spcname::text AS tablespace,
       (SELECT array_agg(coalesce(a.attname::text, '') ORDER BY u.position)
          FROM unnest(x.indkey::int2[]) WITH ORDINALITY AS u(number, position)
          LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = u.number AND u.number > 0
         WHERE u.position <= x.indnkeyatts) AS columns,
       (SELECT array_agg(a.attname::text ORDER BY a.attnum)
          FROM pg_attribute a
         WHERE a.attrelid = x.indrelid AND a.attnum > 0
           AND (a.attnum = ANY (x.indkey::int2[])
                OR EXISTS (SELECT FROM pg_depend d
                            WHERE d.classid = 'pg_class'::regclass AND d.objid = x.indexrelid
                              AND d.refclassid = 'pg_class'::regclass AND d.refobjid = x.indrelid
                              AND d.refobjsubid = a.attnum))) AS uses,
       coalesce((SELECT k.conname::text FROM pg_constraint k
                  WHERE k.conindid = x.indexrelid AND k.conrelid = x.indrelid AND k.contype IN ('p', 'u', 'x')), '')
           AS "constraint",
       x.indisvalid AND x.indisready AND x.indislive AS valid,
       x.indisclustered AS clustered,
       x.indisreplident AS replica_identity,
       obj_description(x.indexrelid, 'pg_class') AS comment,
       (SELECT array_agg(ARRAY[a.attnum, a.attstattarget]::int[] ORDER BY a.attnum)
          FROM pg_attribute a WHERE a.attrelid = x.indexrelid AND a.attstattarget >= 0) AS statistics
  FROM pg_index x
  JOIN pg_class i ON i.oid = x.indexrelid
  JOIN pg_class c ON c.oid = x.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_tablespace ts ON ts.oid = i.reltablespace
 WHERE n.nspname = ANY (%(schemas)s::text[])
 ORDER BY x.indrelid, i.relname
