-- The roles between which the gateway of an application chooses. Roles belong to the whole server.

--: role anon
CREATE ROLE anon NOLOGIN;
ALTER ROLE anon SET statement_timeout = '3s';

--: role authenticated
CREATE ROLE authenticated NOLOGIN;
ALTER ROLE authenticated SET statement_timeout = '8s';

--: role service_role
CREATE ROLE service_role NOLOGIN;

--: service_role is exempt from row level security
-- there: EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role' AND rolbypassrls)
-- needs: exempt roles from row level security
ALTER ROLE service_role BYPASSRLS;

-- It logs in for everybody and has no rights of its own. It gets no password here.
--: role authenticator
CREATE ROLE authenticator LOGIN NOINHERIT;
ALTER ROLE authenticator SET statement_timeout = '8s';
ALTER ROLE authenticator SET lock_timeout = '8s';

--: authenticator may become anon, authenticated and service_role
-- there: (SELECT count(DISTINCT g.rolname) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
--        JOIN pg_roles a ON a.oid = m.member AND a.rolname = 'authenticator'
--        WHERE g.rolname IN ('anon', 'authenticated', 'service_role')) = 3
-- needs: administer the roles
GRANT anon, authenticated, service_role TO authenticator;

-- So that policies can be tried out by whoever owns the tables.
--: the role that prepares may become anon, authenticated and service_role
-- there: (SELECT count(*) FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role')
--        AND pg_has_role(oid, 'MEMBER')) = 3 -- < 16
--        AND pg_has_role(oid, 'SET')) = 3 -- >= 16
-- needs: administer the roles
GRANT anon, authenticated, service_role TO CURRENT_USER;
