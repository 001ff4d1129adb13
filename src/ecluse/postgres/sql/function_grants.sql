-- Rights on functions, where they are not the default ones.
SELECT p.oid::int8 AS "of",
       CASE WHEN x.grantee IS NULL THEN pg_get_userbyid(p.proowner)::text
            WHEN x.grantee = 0 THEN '' ELSE pg_get_userbyid(x.grantee)::text END AS grantee,
       coalesce(x.privilege_type, '') AS privilege,
       bool_or(coalesce(x.is_grantable, false)) AS grantable
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  LEFT JOIN LATERAL aclexplode(p.proacl) AS x ON true
 WHERE NOT (p.proacl @> acldefault('f', p.proowner) AND p.proacl <@ acldefault('f', p.proowner))
   AND n.nspname = ANY (%(schemas)s::text[])
 GROUP BY 1, 2, 3
 ORDER BY 1, 2, 3
