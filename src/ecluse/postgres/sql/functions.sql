-- Functions and procedures. Aggregates have no definition that PostgreSQL would print.
SELECT p.oid::int8 AS oid,
       ARRAY[n.nspname, p.proname]::text[] AS name,
       pg_get_function_identity_arguments(p.oid) AS arguments,
       p.prokind::text AS kind,
       l.lanname::text AS language,
       CASE WHEN p.prokind = 'a' THEN '' ELSE pg_get_functiondef(p.oid) END AS definition,
       p.prosqlbody IS NOT NULL AS atomic,
       p.prosecdef AS security_definer,
       coalesce(p.proconfig, '{}') AS settings,
       p.proacl IS NULL OR (p.proacl @> acldefault('f', p.proowner) AND p.proacl <@ acldefault('f', p.proowner))
           AS default_grants,
       pg_get_userbyid(p.proowner)::text AS owner,
       obj_description(p.oid, 'pg_proc') AS comment,
       coalesce(e.extname::text, '') AS extension
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_language l ON l.oid = p.prolang
  LEFT JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
                       AND d.refclassid = 'pg_extension'::regclass
  LEFT JOIN pg_extension e ON e.oid = d.refobjid
 WHERE n.nspname = ANY (%(schemas)s::text[])
 ORDER BY n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)
