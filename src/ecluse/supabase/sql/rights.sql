-- The rights that steps need, each with how it is given; {role} stands for the role that prepares.

--: create roles
-- there: (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user)
ALTER ROLE {role} CREATEROLE

--: exempt roles from row level security
-- there: (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) -- < 16
-- there: (SELECT rolsuper OR (rolcreaterole AND rolbypassrls) FROM pg_roles WHERE rolname = current_user) -- >= 16
CREATE ROLE service_role NOLOGIN BYPASSRLS; GRANT service_role TO {role} WITH ADMIN OPTION;  -- as a superuser

-- A role that is not there yet is made by the one that prepares, who may then give it to others.
--: administer the roles
-- there: (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user) OR NOT EXISTS (SELECT FROM pg_roles -- < 16
-- there: (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR NOT EXISTS (SELECT FROM pg_roles -- >= 16
--        WHERE rolname IN ('anon', 'authenticated', 'service_role') AND NOT pg_has_role(oid, 'MEMBER WITH ADMIN OPTION'))
GRANT anon, authenticated, service_role TO {role} WITH ADMIN OPTION

--: create in the database
-- there: has_database_privilege(current_database(), 'CREATE')
GRANT CREATE ON DATABASE {database} TO {role}

--: create in auth
-- there: coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = 'auth'), true)
GRANT CREATE, USAGE ON SCHEMA auth TO {role}

--: grant on auth
-- there: coalesce((SELECT pg_has_role(nspowner, 'USAGE') OR has_schema_privilege(oid, 'USAGE WITH GRANT OPTION')
--        FROM pg_namespace WHERE nspname = 'auth'), true)
GRANT USAGE ON SCHEMA auth TO {role} WITH GRANT OPTION

--: grant on extensions
-- there: coalesce((SELECT pg_has_role(nspowner, 'USAGE') OR has_schema_privilege(oid, 'USAGE WITH GRANT OPTION')
--        FROM pg_namespace WHERE nspname = 'extensions'), true)
GRANT USAGE ON SCHEMA extensions TO {role} WITH GRANT OPTION

--: grant on public
-- there: coalesce((SELECT pg_has_role(nspowner, 'USAGE') OR has_schema_privilege(oid, 'USAGE WITH GRANT OPTION')
--        FROM pg_namespace WHERE nspname = 'public'), true)
GRANT USAGE ON SCHEMA public TO {role} WITH GRANT OPTION
