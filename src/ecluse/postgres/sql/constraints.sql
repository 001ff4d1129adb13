-- Table constraints. `suffix` and `index_options` are what pg_get_constraintdef() puts last and leaves out.
SELECT k.conrelid::int8 AS "of",
       k.conname::text AS name,
       k.contype::text AS kind,
       pg_get_constraintdef(k.oid) AS definition,
       (SELECT array_agg(a.attname::text ORDER BY u.position)
          FROM unnest(k.conkey) WITH ORDINALITY AS u(number, position)
          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number) AS columns,
       ARRAY[fn.nspname, f.relname]::text[] AS "references",
       (SELECT array_agg(a.attname::text ORDER BY u.position)
          FROM unnest(k.confkey) WITH ORDINALITY AS u(number, position)
          JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number) AS referenced_columns,
       CASE WHEN k.contype = 'f' THEN k.confdeltype::text ELSE 'a' END AS on_delete,
       k.condeferrable AS deferrable,
       k.convalidated AS valid,
       obj_description(k.oid, 'pg_constraint') AS comment,
       CASE WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END
           || CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END AS suffix,
       CASE WHEN k.contype IN ('p', 'u') AND i.reloptions IS NOT NULL
            THEN ' WITH (' || (SELECT string_agg(format('%%I=%%L', split_part(o, '=', 1),
                                                        substr(o, strpos(o, '=') + 1)), ', ')
                                 FROM unnest(i.reloptions) AS o) || ')' ELSE '' END
           || CASE WHEN k.contype IN ('p', 'u') AND ts.spcname IS NOT NULL
                   THEN format(' USING INDEX TABLESPACE %%I', ts.spcname) ELSE '' END AS index_options
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_class f ON f.oid = k.confrelid
  LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
  LEFT JOIN pg_class i ON i.oid = k.conindid AND k.contype IN ('p', 'u')
  LEFT JOIN pg_tablespace ts ON ts.oid = i.reltablespace
 WHERE n.nspname = ANY (%(schemas)s::text[])
 ORDER BY k.conrelid, k.contype, k.conname
