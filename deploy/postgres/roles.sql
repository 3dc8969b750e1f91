-- The roles of Scrip in a database: who owns the tables, who works on them, who reads them.
--
-- Run it as a superuser, or as a role that may create roles, in Scrip's own database. It can run again at any time.
-- It sets no passwords: without one, nobody can connect as a role. `alembic upgrade head` then grants the rights on
-- the tables, which are in migrations/rights.sql.

DO $$
DECLARE
    role_name text;
    large_object_function text;
BEGIN
    -- Roles belong to the whole server: another database of Scrip may have made them.
    FOREACH role_name IN ARRAY ARRAY['scrip_owner', 'scrip_worker', 'scrip_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', role_name);
        END IF;
    END LOOP;
    -- A superuser may act as any role. Others need the membership to hand tables over.
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT scrip_owner TO %I', current_user);
    END IF;

    -- PostgreSQL lets everybody connect to every database and make temporary tables there.
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO scrip_owner, scrip_worker, scrip_reader', current_database());
    -- Everybody may store large objects, without end. A superuser takes that away; another role only gets a warning.
    FOR large_object_function IN
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^(lo_|lowrite$|loread$)'
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION pg_catalog.%s FROM PUBLIC', large_object_function);
    END LOOP;
    -- Audits of what changed make temporary tables.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO scrip_worker', current_database());
END $$;

-- Before PostgreSQL 15, and in databases that were made then, everybody may create tables there.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO scrip_owner;
GRANT USAGE ON SCHEMA public TO scrip_worker, scrip_reader;

-- Tables and functions that another role has made, for example before there were these roles, go to the owner. Each
-- table is locked until the end. If a program that works on them meanwhile makes that a deadlock, all are tried again.
DO $$
DECLARE
    found record;
    attempts_left integer := 10;
BEGIN
    LOOP
        BEGIN
            FOR found IN
                SELECT oid::regclass AS name FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                      AND relowner <> 'scrip_owner'::regrole
                      AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
                ORDER BY relname
            LOOP
                EXECUTE format('ALTER TABLE %s OWNER TO scrip_owner', found.name);
            END LOOP;
            EXIT;
        EXCEPTION WHEN deadlock_detected THEN
            attempts_left := attempts_left - 1;
            IF attempts_left = 0 THEN
                RAISE;
            END IF;
        END;
    END LOOP;
    FOR found IN
        SELECT oid::regprocedure AS name FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND prokind = 'f' AND proowner <> 'scrip_owner'::regrole
              AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO scrip_owner', found.name);
    END LOOP;
END $$;
