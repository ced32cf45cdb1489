"""Write the SQL of a push (pure)."""

# Every value passes identifier() or literal():
# ruff: noqa: S608

from collections.abc import Sequence

from slipway.postgres.names import Names
from slipway.postgres.quoting import identifier, literal

# What the sessions of a push call themselves.
APPLICATION = "slipway"
# What two databases of the same kind need not have in common.
UNLIKE = "oid,datname,datdba,datistemplate,datallowconn,datconnlimit,datacl,datfrozenxid,datminmxid"
FIRST_USER_OID = 16384
# Who owns what besides relations, types and schemas.
OWNED = {
    "pg_collation": "collowner", "pg_conversion": "conowner", "pg_operator": "oprowner",
    "pg_opclass": "opcowner", "pg_opfamily": "opfowner", "pg_proc": "proowner",
    "pg_statistic_ext": "stxowner", "pg_ts_config": "cfgowner", "pg_ts_dict": "dictowner",
}  # fmt: skip
DEFAULT_TABLESPACE = "pg_default"

# Schemas that are a site's, not the server's.
SITES = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"


def alone(catalog: str, row: str) -> str:
    """Write that a row of a catalog belongs to no extension."""
    return f"""NOT EXISTS (SELECT FROM pg_depend e
    WHERE e.classid = '{catalog}'::regclass AND e.objid = {row}.oid AND e.deptype = 'e')"""


OWN = f"{SITES} AND {alone('pg_class', 'c')}"

SEQUENCES = f"""
SELECT format('%I.%I', n.nspname, c.relname), coalesce(pg_sequence_last_value(c.oid)::text, '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND {OWN};
"""

STATES = f"""
SELECT format('SELECT %L, last_value, is_called FROM %s', s.name, s.name) FROM (
    SELECT format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND {OWN}) AS s
\\gexec
"""

# Partitions are analyzed with the whole; what takes longest comes first.
ANALYZED = f"""
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND NOT c.relispartition AND {OWN}
ORDER BY c.relkind <> 'p', pg_relation_size(c.oid) DESC;
"""

# What pg_dump leaves out, or the server makes and names by itself for partitions, is not counted.
INVENTORY = f"""
SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' ELSE 'index' END,
    format('%I.%I', n.nspname, c.relname), ''
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE c.relkind IN ('i', 'I', 'v', 'm') AND n.nspname <> 'pg_toast'
    AND (c.relkind <> 'i' OR i.indisvalid) AND c.relpersistence <> 't' AND {OWN}
UNION ALL
SELECT 'constraint', format('%I on %I.%I', o.conname, n.nspname, c.relname), ''
FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE o.contype IN ('c', 'p', 'u', 'f', 'x') AND o.conparentid = 0
    AND c.relpersistence <> 't' AND {OWN}
UNION ALL
SELECT 'trigger', format('%I on %I.%I', t.tgname, n.nspname, c.relname), ''
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND c.relpersistence <> 't' AND {OWN}
UNION ALL
SELECT 'large objects', '', count(*)::text FROM pg_largeobject_metadata;
"""

# Only an administrator may read them.
LARGE_OBJECTS = """
SELECT 'bytes of large objects', '', count(*) || ':'
    || coalesce(sum(hash_record_extended(ROW(o.loid, o.pageno, o.data), 0)), 0)
FROM pg_largeobject o;
"""

# Whoever holds a table of the site for himself shall not hold up a push as well.
IMPATIENT = "SET lock_timeout = '5s';"
DATABASES = "SELECT datname FROM pg_database;"
# What a DROP that was interrupted leaves: nobody can connect to it any more.
HALF_DROPPED = "SELECT datname FROM pg_database WHERE datconnlimit = -2;"
CLOSED = "SELECT datname FROM pg_database WHERE NOT datallowconn;"
SIZE = "SELECT pg_database_size(current_database());"

MIGRATIONS = """
SELECT to_regclass('django_migrations') IS NOT NULL AS there \\gset
\\if :there
SELECT app || '.' || name FROM django_migrations;
\\endif
"""

SOURCE_FACTS = f"""
SELECT json_build_object(
    'version', current_setting('server_version_num')::int,
    'encoding', pg_encoding_to_char(d.encoding),
    'size', pg_database_size(d.oid),
    'large_objects', EXISTS (SELECT FROM pg_largeobject_metadata),
    'superuser', current_setting('is_superuser') = 'on',
    'collation', d.datcollate,
    'event_triggers', EXISTS (
        SELECT FROM pg_event_trigger t WHERE {alone("pg_event_trigger", "t")}),
    'roles', (SELECT coalesce(json_agg(DISTINCT pg_get_userbyid(s.refobjid)), '[]')
        FROM pg_shdepend s WHERE s.dbid = d.oid AND s.deptype = 'r'),
    'extensions', (SELECT coalesce(
            json_object_agg(e.extname, n.nspname ORDER BY e.oid), '{{}}')
        FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname <> 'plpgsql'))
FROM pg_database d WHERE d.datname = current_database();
"""


def prepared(names: Names) -> str:
    """Count the prepared transactions of what serves and what is kept: no switch gets past them."""
    both = f"{literal(names.live)}, {literal(names.previous)}"
    return f"SELECT count(*) FROM pg_prepared_xacts WHERE database IN ({both})"


def replicated(names: Names) -> str:
    """Ask for the subscriptions and slots that hold what serves, or what is kept, by its number."""
    both = f"({literal(names.live)}, {literal(names.previous)})"
    return f"""
SELECT 'subscription ' || s.subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
    WHERE d.datname IN {both}
UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE database IN {both}"""


def target_facts(names: Names, role: str) -> str:
    """Ask the target what is there: database, role, extensions, settings."""
    return f"""
SELECT json_build_object(
    'version', current_setting('server_version_num')::int,
    'roles', (SELECT json_agg(rolname) FROM pg_roles),
    'prepared', ({prepared(names)}),
    'replicated', (SELECT coalesce(json_agg(r.what), '[]') FROM ({replicated(names)}) AS r (what)),
    'clients', (SELECT count(*) FROM pg_stat_activity
        WHERE datname = {literal(names.live)} AND application_name <> {literal(APPLICATION)}),
    'role', EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(role)}),
    'live', (SELECT to_jsonb(d) || jsonb_build_object('name', pg_encoding_to_char(d.encoding),
            'tablespace', (SELECT spcname FROM pg_tablespace s WHERE s.oid = d.dattablespace))
        FROM pg_database d WHERE d.datname = {literal(names.live)}),
    'extensions', (SELECT json_object_agg(v.name, v.trusted)
        FROM pg_available_extension_versions v
        JOIN pg_available_extensions a ON a.name = v.name AND a.default_version = v.version),
    'lz4', EXISTS (SELECT FROM pg_settings
        WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)),
    'superuser', current_setting('is_superuser') = 'on',
    'log', (SELECT setting::bigint << 20 FROM pg_settings WHERE name = 'max_wal_size'),
    'requires', (SELECT json_object_agg(v.name, v.requires)
        FROM pg_available_extension_versions v
        JOIN pg_available_extensions a ON a.name = v.name AND a.default_version = v.version
        WHERE v.requires IS NOT NULL),
    'folder', (SELECT setting FROM pg_settings WHERE name = 'data_directory'));
"""


def analyze(names: Sequence[str]) -> str:
    """Gather statistics of tables, whose names come quoted."""
    # What a statistic computes finds the functions that it calls.
    return f"RESET search_path; ANALYZE {', '.join(names)};" if names else ""


def lease(names: Names) -> str:
    """Try to become the only push to this database; the answer is `t` or `f`, and the session."""
    return f"SELECT pg_try_advisory_lock({_key(names)}), pg_backend_pid();"


def drop_ours(names: Names, session: str) -> str:
    """Drop what arrives, unless another push has become the only one, and made it.

    The answer is `f` then. Source of how such locks are told: the chapter "pg_locks" of
    PostgreSQL's manual.
    """
    return f"""
SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = {int(session)} AND granted
    AND (classid::bigint << 32 | objid::bigint) = {_key(names)})
    OR pg_try_advisory_lock({_key(names)}) AS ours \\gset
\\if :ours
{drop(names.incoming)}
\\endif
SELECT :'ours';
"""


def _key(names: Names) -> str:
    return f"hashtextextended({literal('slipway ' + names.live)}, 0)"


def number(database: str) -> str:
    """Ask for the number that a database keeps whatever its name is, and for the session's."""
    return f"SELECT oid, pg_backend_pid() FROM pg_database WHERE datname = {literal(database)};"


def named(number: str, session: str) -> str:
    """Ask for the name that a database has now, and whether a session is still at work."""
    return f"""
SELECT datname, EXISTS (SELECT FROM pg_stat_activity WHERE pid = {int(session)}
    AND application_name = {literal(APPLICATION)} AND state <> 'idle')
FROM pg_database WHERE oid = {int(number)};
"""


def rename(old: str, new: str) -> str:
    """Give a database that nobody uses another name."""
    return f"ALTER DATABASE {identifier(old)} RENAME TO {identifier(new)};"


def drop(database: str) -> str:
    """Drop a database with whoever is connected to it, if it is there."""
    return f"DROP DATABASE IF EXISTS {identifier(database)} WITH (FORCE);"


def create(database: str, owner: str, live: dict[str, object]) -> str:
    """Create an empty database with the encoding and the collation of `live`.

    `live` is a row of pg_database; the columns for the locale differ between versions.
    """
    words = f"CREATE DATABASE {identifier(database)} OWNER {identifier(owner)}"
    words += f" TEMPLATE template0 ENCODING {literal(str(live['name']))}"
    words += f" LC_COLLATE {literal(str(live['datcollate']))}"
    words += f" LC_CTYPE {literal(str(live['datctype']))}{_tablespace(live)}"
    locale = literal(str(live.get("datlocale") or live.get("daticulocale") or ""))
    if live.get("datlocprovider") == "i":
        words += f" LOCALE_PROVIDER icu ICU_LOCALE {locale}"
        if rules := live.get("daticurules"):
            words += f" ICU_RULES {literal(str(rules))}"
    elif live.get("datlocprovider") == "c":
        # The server's own template may have another one.
        words += " LOCALE_PROVIDER libc"
    elif live.get("datlocprovider") == "b":
        words += f" LOCALE_PROVIDER builtin BUILTIN_LOCALE {locale}"
    return f"{words} CONNECTION LIMIT {live['datconnlimit']};"


def create_from(template: str, database: str, owner: str, live: dict[str, object]) -> str:
    """Create a database as a copy of another one, to which nobody may be connected."""
    words = f"CREATE DATABASE {identifier(database)} OWNER {identifier(owner)}"
    words += f" TEMPLATE {identifier(template)} STRATEGY FILE_COPY{_tablespace(live)}"
    return f"{words} CONNECTION LIMIT {live['datconnlimit']};"


def _tablespace(live: dict[str, object]) -> str:
    name = str(live.get("tablespace") or DEFAULT_TABLESPACE)
    return "" if name == DEFAULT_TABLESPACE else f" TABLESPACE {identifier(name)}"


def renewable(live: str, owner: str) -> str:
    """Ask a database whether a copy of it would be one that a restore has made.

    The schema is not asked for; what a restore makes anew is: indexes that sort as the system
    does now, extensions of the server's version, one owner. Nor may there be what cannot be told
    apart by rows, or fires whatever the session says. The answer is `t` or `f`.
    """
    return f"""
SELECT NOT (EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
        AND backend_type = 'client backend' AND application_name <> {literal(APPLICATION)})
    OR EXISTS (SELECT FROM pg_largeobject_metadata)
    OR EXISTS (SELECT FROM pg_class WHERE relkind = 'm' OR relforcerowsecurity)
    -- One on a partitioned table alone is invalid by nature.
    OR EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE NOT i.indisvalid AND c.relkind = 'i')
    OR EXISTS (SELECT FROM pg_trigger WHERE tgenabled IN ('A', 'R'))
    OR EXISTS (SELECT FROM pg_rewrite WHERE ev_enabled IN ('A', 'R'))
    OR EXISTS (SELECT FROM pg_extension e LEFT JOIN pg_available_extensions a ON a.name = e.extname
        WHERE e.extconfig IS NOT NULL OR e.extversion IS DISTINCT FROM a.default_version)
    OR EXISTS (SELECT FROM pg_collation WHERE collversion <> pg_collation_actual_version(oid))
    OR {_has_others(f"{literal(identifier(owner))}::regrole")})
    AND (SELECT count(DISTINCT to_jsonb(d) - '{{{UNLIKE}}}'::text[]) = 1
            AND bool_and(datcollversion IS NOT DISTINCT FROM
                pg_database_collation_actual_version(oid))
        FROM pg_database d WHERE datname IN (current_database(), {literal(live)}));
"""


def _has_others(owner: str) -> str:
    """Ask whether anything belongs to somebody else; what a superuser made depends on nobody."""
    more = "".join(
        f"\n            UNION ALL SELECT '{catalog}'::regclass, oid, {column} FROM {catalog}"
        for catalog, column in OWNED.items()
    )
    return f"""(EXISTS (SELECT FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
        WHERE d.datname = current_database() AND s.deptype = 'o' AND s.refobjid <> {owner})
    OR EXISTS (SELECT FROM (
            SELECT 'pg_class'::regclass, oid, relowner FROM pg_class
                WHERE relkind IN ('r', 'p', 'v', 'S', 'f', 'c') AND relpersistence <> 't'
            UNION ALL SELECT 'pg_type'::regclass, oid, typowner FROM pg_type
                WHERE typtype IN ('d', 'e', 'r', 'm')
            UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner FROM pg_namespace
                WHERE nspname !~ '^pg_'{more}) AS o (kind, oid, owner)
        WHERE o.oid >= {FIRST_USER_OID} AND o.owner <> {owner}
            AND NOT EXISTS (SELECT FROM pg_depend e
                WHERE e.classid = o.kind AND e.objid = o.oid AND (e.deptype = 'e'
                    -- A range's constructors, whoever makes it.
                    OR e.deptype = 'i' AND o.kind = 'pg_proc'::regclass))))"""


def states(sequences: Sequence[Sequence[str]]) -> str:
    """Give sequences the states that STATES has told of others."""
    values = ", ".join(
        f"({literal(name)}, {int(last)}, {literal(called)}::boolean)"
        for name, last, called in sequences
    )
    setting = "SELECT setval(name::regclass, last, called)"
    return f"{setting} FROM (VALUES {values}) AS s (name, last, called);" if values else ""


def schema(name: str, owner: str) -> str:
    """Create the schema of an extension."""
    quoted = identifier(name)
    return f"CREATE SCHEMA IF NOT EXISTS {quoted} AUTHORIZATION {identifier(owner)};"


def extension(name: str, schema: str) -> str:
    """Create an extension that only an administrator may create."""
    return f"CREATE EXTENSION {identifier(name)} SCHEMA {identifier(schema)};"


def settings_of_extensions(owner: str) -> str:
    """Ask for the statements that let the owner use what the extensions brought."""
    return f"""
SELECT format('GRANT ALL ON %s TO %I;', c.one::regclass, {literal(owner)})
FROM pg_extension e, unnest(e.extconfig) AS c (one)
UNION ALL
SELECT format('GRANT USAGE ON FOREIGN DATA WRAPPER %I TO %I;', fdwname, {literal(owner)})
FROM pg_foreign_data_wrapper WHERE oid >= {FIRST_USER_OID};
"""
