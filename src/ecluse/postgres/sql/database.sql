-- The database, the connected role, and the roles that default privileges would give rights on new objects.
SELECT current_database()::text AS database,
       current_setting('server_version_num')::int AS server_version,
       current_setting('wal_level') AS wal_level,
       r.rolname::text AS name,
       r.rolsuper AS superuser,
       r.rolbypassrls AS bypass_rls,
       r.rolreplication AS replication,
       (SELECT array_agg(m.rolname::text ORDER BY m.rolname)
          FROM pg_roles m WHERE pg_has_role(r.oid, m.oid, 'USAGE')) AS member_of,
       has_database_privilege(current_database(), 'CREATE') AS create_in_database,
       (SELECT array_agg(e.extname::text || '=' || e.extversion ORDER BY e.extname) FROM pg_extension e) AS extensions,
       (SELECT array_agg(DISTINCT pg_get_userbyid(x.grantee)::text)
          FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) AS x
         WHERE x.grantee <> 0 AND x.grantee <> d.defaclrole) AS default_grantees
  FROM pg_roles r
 WHERE r.rolname = current_user
