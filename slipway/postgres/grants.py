"""Ask what is said of a database, and in it, to others: settings and grants (pure)."""

# Every value passes identifier() or literal():
# ruff: noqa: S608

from slipway.postgres.quoting import literal
from slipway.postgres.statements import OWN, SITES, alone

# Lists are stored quoted: quoting them again would make one name of them.
LISTS = "'search_path', 'session_preload_libraries', 'local_preload_libraries', 'temp_tablespaces'"
# What a copy has or lacks as a whole, each with its kind; nobody's lock is waited for.
BESIDES = f"""
SELECT 'table', format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND {OWN}
UNION ALL SELECT 'extension', quote_ident(extname) FROM pg_extension WHERE extname <> 'plpgsql'
UNION ALL SELECT 'publication', quote_ident(pubname) FROM pg_publication
UNION ALL SELECT 'event trigger', quote_ident(t.evtname) FROM pg_event_trigger t
    WHERE {alone("pg_event_trigger", "t")}
UNION ALL SELECT 'security label of', objtype || ' ' || objname FROM pg_seclabels
    WHERE objtype NOT IN ('database', 'role', 'tablespace')
ORDER BY 1, 2;
"""
# To whom `a`, an entry of aclexplode(), gives something, and whether it may be passed on.
GRANTEE = "CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END"
FURTHER = "CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END"
ROUTINE, KIND = alone("pg_proc", "p"), alone("pg_type", "y")
# Types that have a name of their own: not rows of tables, not arrays.
TYPES = f"""pg_type y JOIN pg_namespace n ON n.oid = y.typnamespace
    LEFT JOIN pg_class c ON c.oid = y.typrelid
WHERE {SITES} AND {KIND} AND y.typelem = 0 AND coalesce(c.relkind, 'c') = 'c'"""
# What one who is not the owner may do, as statements; an extension's own is not the site's.
GRANTED = f"""
SET search_path = pg_catalog;
SELECT format('GRANT %s ON %s TO %s%s;', a.may, a.what, {GRANTEE}, {FURTHER})
FROM (
    SELECT format('%s %I.%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
            n.nspname, c.relname), a.privilege_type, a.grantee, a.is_grantable
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
        WHERE {OWN} AND a.grantee <> c.relowner
    UNION ALL SELECT format('TABLE %I.%I', n.nspname, c.relname),
            format('%s (%I)', a.privilege_type, t.attname), a.grantee, a.is_grantable
        FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(t.attacl) a
        WHERE {OWN} AND NOT t.attisdropped AND a.grantee <> c.relowner
    UNION ALL SELECT format('SCHEMA %I', n.nspname), a.privilege_type, a.grantee, a.is_grantable
        FROM pg_namespace n, aclexplode(n.nspacl) a
        WHERE {SITES} AND a.grantee <> n.nspowner AND {alone("pg_namespace", "n")}
            AND NOT (n.nspname = 'public' AND a.grantee = 0)
    UNION ALL SELECT format('ROUTINE %s', p.oid::regprocedure), a.privilege_type, a.grantee,
            a.is_grantable
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, aclexplode(p.proacl) a
        WHERE {SITES} AND a.grantee NOT IN (0, p.proowner) AND {ROUTINE}
    UNION ALL SELECT format('TYPE %s', y.name), a.privilege_type, a.grantee, a.is_grantable
        FROM (SELECT y.oid::regtype AS name, y.typowner, y.typacl FROM {TYPES}) AS y,
            aclexplode(y.typacl) a
        WHERE a.grantee NOT IN (0, y.typowner)
    UNION ALL SELECT format('FOREIGN SERVER %I', s.srvname), a.privilege_type, a.grantee,
            a.is_grantable
        FROM pg_foreign_server s, aclexplode(s.srvacl) a
        WHERE a.grantee <> s.srvowner AND {alone("pg_foreign_server", "s")}
    ) AS a (what, may, grantee, is_grantable)
UNION ALL
-- What everybody may do unless somebody has said otherwise.
SELECT format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC;', p.oid::regprocedure)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE {SITES} AND {ROUTINE} AND p.proacl IS NOT NULL
    AND NOT EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0)
UNION ALL
SELECT format('REVOKE USAGE ON TYPE %s FROM PUBLIC;', y.oid::regtype)
FROM {TYPES} AND y.typacl IS NOT NULL
    AND NOT EXISTS (SELECT FROM aclexplode(y.typacl) a WHERE a.grantee = 0)
UNION ALL
SELECT format('REVOKE %s ON SCHEMA public FROM PUBLIC;', r.may)
FROM unnest(ARRAY['USAGE', 'CREATE']) AS r (may), pg_namespace n
WHERE n.nspname = 'public' AND NOT has_schema_privilege('public', n.oid, r.may)
    AND (r.may = 'USAGE' OR current_setting('server_version_num')::int < 150000)
UNION ALL
SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I REVOKE %s FROM PUBLIC;',
    pg_get_userbyid(d.defaclrole),
    CASE d.defaclobjtype WHEN 'f' THEN 'EXECUTE ON ROUTINES' ELSE 'USAGE ON TYPES' END)
FROM pg_default_acl d
WHERE d.defaclobjtype IN ('f', 'T') AND d.defaclnamespace = 0
    AND NOT EXISTS (SELECT FROM aclexplode(d.defaclacl) a WHERE a.grantee = 0)
UNION ALL
SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s GRANT %s ON %s TO %s%s;',
    pg_get_userbyid(d.defaclrole), CASE WHEN n.oid IS NULL THEN ''
        ELSE format(' IN SCHEMA %I', n.nspname) END,
    a.privilege_type, CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES'
        WHEN 'f' THEN 'ROUTINES' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END,
    {GRANTEE}, {FURTHER})
FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace,
    aclexplode(d.defaclacl) a
WHERE d.defaclobjtype IN ('r', 'S', 'f', 'T', 'n') AND a.grantee <> d.defaclrole;
"""


def inherited(database: str, heir: str) -> str:
    """Ask for the statements that give another database the settings and grants of one."""
    live, incoming = literal(database), literal(heir)
    return f"""
SELECT CASE WHEN r.rolname IS NULL THEN format('ALTER DATABASE %I SET ', {incoming})
    ELSE format('ALTER ROLE %I IN DATABASE %I SET ', r.rolname, {incoming}) END
    || split_part(s.one, '=', 1) || ' TO '
    || CASE WHEN split_part(s.one, '=', 1) IN ({LISTS})
       THEN regexp_replace(substr(s.one, strpos(s.one, '=') + 1),
            '(^|, )""(?=,|$)', '\\1' || repeat(chr(39), 2), 'g')
       ELSE quote_literal(substr(s.one, strpos(s.one, '=') + 1)) END || ';'
FROM pg_database d JOIN pg_db_role_setting c ON c.setdatabase = d.oid
    LEFT JOIN pg_roles r ON r.oid = c.setrole, unnest(c.setconfig) AS s (one)
WHERE d.datname = {live}
UNION ALL
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC;', {incoming})
FROM pg_database WHERE datname = {live} AND datacl IS NOT NULL
UNION ALL
SELECT format('GRANT %s ON DATABASE %I TO %s%s;', a.privilege_type, {incoming},
    {GRANTEE}, {FURTHER})
FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = {live} AND a.grantee <> d.datdba
UNION ALL
SELECT format('COMMENT ON DATABASE %I IS %L;', {incoming}, c.description)
FROM pg_shdescription c JOIN pg_database d ON d.oid = c.objoid
WHERE d.datname = {live} AND c.classoid = 'pg_database'::regclass;
"""
