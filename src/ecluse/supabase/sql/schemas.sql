--: schema auth
CREATE SCHEMA auth;

-- For its functions: no right on any of its tables is given to them.
--: usage of auth by anon, authenticated and service_role
-- there: (SELECT count(DISTINCT r.rolname) FROM pg_namespace n, aclexplode(n.nspacl) a
--        JOIN pg_roles r ON r.oid = a.grantee WHERE n.nspname = 'auth' AND a.privilege_type = 'USAGE'
--        AND r.rolname IN ('anon', 'authenticated', 'service_role')) = 3
-- needs: grant on auth
GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role;

--: schema extensions
CREATE SCHEMA extensions;

--: usage of extensions by anon, authenticated and service_role
-- there: (SELECT count(DISTINCT r.rolname) FROM pg_namespace n, aclexplode(n.nspacl) a
--        JOIN pg_roles r ON r.oid = a.grantee WHERE n.nspname = 'extensions' AND a.privilege_type = 'USAGE'
--        AND r.rolname IN ('anon', 'authenticated', 'service_role')) = 3
-- needs: grant on extensions
GRANT USAGE ON SCHEMA extensions TO anon, authenticated, service_role;

--: extension pgcrypto
CREATE EXTENSION pgcrypto SCHEMA extensions;

--: extension uuid-ossp
CREATE EXTENSION "uuid-ossp" SCHEMA extensions;
