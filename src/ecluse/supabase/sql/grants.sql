-- What an application's own tables are to the roles. Tables that exist already stay as closed as they are.

--: usage of public by anon, authenticated and service_role
-- there: (SELECT count(DISTINCT r.rolname) FROM pg_namespace n, aclexplode(n.nspacl) a
--        JOIN pg_roles r ON r.oid = a.grantee WHERE n.nspname = 'public' AND a.privilege_type = 'USAGE'
--        AND r.rolname IN ('anon', 'authenticated', 'service_role')) = 3
-- needs: grant on public
GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;

--: default rights on what the role that prepares makes in public
-- there: (SELECT count(DISTINCT (d.defaclobjtype, r.rolname)) FROM pg_default_acl d, aclexplode(d.defaclacl) a
--        JOIN pg_roles r ON r.oid = a.grantee
--        WHERE d.defaclnamespace = to_regnamespace('public') AND d.defaclrole = to_regrole(quote_ident(current_user))
--        AND r.rolname IN ('anon', 'authenticated', 'service_role')
--        AND (d.defaclobjtype, a.privilege_type) IN (('r', 'SELECT'), ('S', 'USAGE'), ('f', 'EXECUTE'))) = 9
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON ROUTINES TO anon, authenticated, service_role;
