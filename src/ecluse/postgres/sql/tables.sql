-- Tables of every kind, with what pg_class itself knows of them.
SELECT c.oid::int8 AS oid,
       ARRAY[n.nspname, c.relname]::text[] AS name,
       c.relkind::text AS kind,
       c.relpersistence::text AS persistence,
       coalesce(am.amname::text, '') AS access_method,
       coalesce(ts.spcname::text, '') AS tablespace,
       pg_get_userbyid(c.relowner)::text AS owner,
       c.relrowsecurity AS rls,
       c.relforcerowsecurity AS force_rls,
       c.relreplident::text AS replica_identity,
       coalesce(c.reloptions, '{}')
           || coalesce((SELECT array_agg('toast.' || o ORDER BY o)
                          FROM pg_class toast, unnest(toast.reloptions) AS o
                         WHERE toast.oid = c.reltoastrelid), '{}') AS options,
       (SELECT array_agg(ARRAY[pn.nspname, p.relname]::text[] ORDER BY i.inhseqno)
          FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
         WHERE i.inhrelid = c.oid) AS inherits,
       (SELECT array_agg(ARRAY[kn.nspname, k.relname]::text[] ORDER BY kn.nspname, k.relname)
          FROM pg_inherits i JOIN pg_class k ON k.oid = i.inhrelid JOIN pg_namespace kn ON kn.oid = k.relnamespace
         WHERE i.inhparent = c.oid) AS children,
       CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) ELSE '' END AS of_type,
       CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) ELSE '' END AS partition_key,
       CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) ELSE '' END AS partition_bound,
       coalesce((SELECT e.extname::text FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
                    AND d.refclassid = 'pg_extension'::regclass), '') AS extension,
       obj_description(c.oid, 'pg_class') AS comment,
       coalesce(pg_relation_filenode(c.oid), 0)::int8 AS filenode,
       c.reltuples::float8 AS rows,
       CASE WHEN %(measure)s THEN pg_relation_size(c.oid) / current_setting('block_size')::int8 ELSE 0 END AS pages,
       CASE WHEN %(measure)s THEN pg_total_relation_size(c.oid) ELSE 0 END AS size
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_am am ON am.oid = c.relam
  LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
 WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname = ANY (%(schemas)s::text[])
 ORDER BY n.nspname, c.relname
