"""Push what is no local database: dump files in all their forms, and a database behind a URL."""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from slipway import dsn
from slipway.command import Command
from slipway.console import Console
from slipway.database import push_db
from slipway.dsn import DatabaseDsn
from slipway.errors import ConfigurationError, DatabaseError, DsnError
from slipway.postgres import server, tables
from slipway.postgres.ends import Ends, find
from slipway.postgres.names import Names
from slipway.secrets import Secret
from slipway.settings.database import Database
from tests.conformance.database import content
from tests.conformance.database.servers import SITE, Pair, docker, shell, started
from tests.unit.factory import environment

TABLE = "CREATE TABLE trap (t text); INSERT INTO trap VALUES ('ALTER TABLE x OWNER TO y;');"
ROWS = content.SITE_ROWS + 1


def dumped(pair: Pair, folder: Path, *options: str) -> Path:
    """Dump the local database with pg_dump into a file, or with -Fd into a folder."""
    container, path = pair.ends.source.container, folder / "dump"
    words = ["docker", "exec", container, "pg_dump", "--username", "me", *options, "local"]
    if "-Fd" not in options:
        with path.open("wb") as file:
            shell.start(Command.of(*words), stdout=file).communicate()
        return path
    docker("exec", container, "rm", "-rf", "/tmp/d")
    shell.run(Command.of(*words[:-1], "--file=/tmp/d", "local"))
    packed = shell.start(Command.of("docker", "exec", container, "tar", "-c", "-C", "/tmp/d", "."))
    with tarfile.open(fileobj=io.BytesIO(packed.communicate()[0])) as tar:
        tar.extractall(path, filter="data")
    return path


def push(pair: Pair, dump: Path) -> dict[str, object]:
    return push_db(environment(), Console(as_json=True), dump=str(dump), ends=pair.ends)


ME = "r'ole"
LINES = "one\n\nALTER TABLE x OWNER TO y;\nGRANT SELECT ON x TO y;\nREVOKE ALL ON x FROM y;\nend"
GRANTED = f"""
CREATE FUNCTION speak () RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN '{LINES}';
END $$;
CREATE FUNCTION short () RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE ROLE "{ME}";
GRANT SELECT ON trap TO "{ME}";
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO "{ME}";
ALTER FUNCTION short OWNER TO "{ME}";
CREATE TABLE told (id serial PRIMARY KEY, said text);
ALTER TABLE told OWNER TO "{ME}";
INSERT INTO told (said) VALUES ('{LINES}');
SELECT lo_from_bytea(0, 'one'), lo_from_bytea(0, 'two'), lo_from_bytea(0, 'three');
"""
FORMS = [["-Fc"], ["-Fd"], [], ["-Fc", "gzip"], ["gzip"], ["-Fc", "zstd"], ["zstd"]]


def packed(pair: Pair, path: Path, options: list[str]) -> None:
    """Compress a dump as the options say, with the programs of the database's image."""
    for program in {"gzip", "zstd"}.intersection(options):
        words = ("docker", "exec", "-i", pair.ends.source.container, program, "-c")
        process = shell.start(Command.of(*words), stdin=subprocess.PIPE)
        path.write_bytes(process.communicate(path.read_bytes())[0])


@pytest.mark.parametrize("options", FORMS)
def test_a_dump_of_every_form_is_restored(pair: Pair, tmp_path: Path, options: list[str]) -> None:
    pair.fresh(content.SITE + TABLE)
    path = dumped(pair, tmp_path, *(option for option in options if option.startswith("-")))
    packed(pair, path, options)
    assert push(pair, path)["rows"] == ROWS
    assert (pair.marker(), pair.databases()) == ("new", {SITE, "site__previous"})
    assert pair.live("SELECT t FROM trap;") == [["ALTER TABLE x OWNER TO y;"]]
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('public', 'other');"
    assert pair.live(owners) == [[SITE]]


@pytest.mark.parametrize(
    "options", [[], ["--inserts"], ["--column-inserts", "--rows-per-insert=9"]]
)
def test_of_plain_sql_only_owners_and_grants_are_left_out(
    pair: Pair, tmp_path: Path, options: list[str]
) -> None:
    pair.fresh(TABLE + GRANTED)
    path = dumped(pair, tmp_path, *options)
    try:
        push(pair, path)
    finally:
        pair.source.query("DROP DATABASE local;")
        pair.source.query(f'DROP ROLE "{ME}";')
    assert pair.live("SELECT said = speak() FROM told;") == [["t"]]
    assert pair.live("SELECT said FROM told;") == [[LINES]]
    assert pair.live("SELECT short(), count(*) FROM pg_default_acl;") == [["1", "0"]]
    owners = "SELECT DISTINCT relowner::regrole FROM pg_class WHERE relname IN ('told', 'trap');"
    assert pair.live(owners) == [[SITE]]


@pytest.mark.parametrize("options", [["-Fc"], [], ["gzip"], ["zstd"]])
def test_a_dump_that_is_cut_off_or_damaged_leaves_the_old_database(
    pair: Pair, tmp_path: Path, options: list[str]
) -> None:
    pair.fresh(content.SITE)
    path = dumped(pair, tmp_path, *(option for option in options if option.startswith("-")))
    packed(pair, path, options)
    whole = path.read_bytes()
    for length in (0, 3, len(whole) // 3, len(whole) // 2, len(whole) - 150):
        path.write_bytes(whole[:length])
        with pytest.raises(DatabaseError):
            push(pair, path)
        assert (pair.marker(), pair.databases()) == ("old", {SITE})
    if "-Fc" in options:
        path.write_bytes(whole[:5] + b"\x01\x63" + whole[7:])
        with pytest.raises(DatabaseError, match="unsupported version"):
            push(pair, path)
        assert (pair.marker(), pair.databases()) == ("old", {SITE})


def test_a_zstd_dump_for_an_image_without_zstd_is_refused(pair: Pair, tmp_path: Path) -> None:
    pair.fresh(content.SITE)
    path = dumped(pair, tmp_path, "-Fc")
    packed(pair, path, ["zstd"])
    target = pair.ends.target.container
    docker("exec", target, "mv", "/usr/bin/zstd", "/usr/bin/zstd.away")
    try:
        with pytest.raises(DatabaseError, match="no zstd in the image of the database"):
            push(pair, path)
    finally:
        docker("exec", target, "mv", "/usr/bin/zstd.away", "/usr/bin/zstd")
    assert (pair.marker(), pair.databases()) == ("old", {SITE})


def test_a_row_that_breaks_a_constraint_leaves_the_old_database(pair: Pair, tmp_path: Path) -> None:
    pair.fresh(content.SITE)
    path = dumped(pair, tmp_path)
    text = path.read_text(encoding="utf-8")
    before, begin, after = text.partition("COPY public.uploader_file")
    path.write_text(before + begin + after.replace("\n1\t2\t", "\n1\t999\t", 1), encoding="utf-8")
    with pytest.raises(DatabaseError, match="violates foreign key constraint"):
        push(pair, path)
    assert (pair.marker(), pair.databases()) == ("old", {SITE})


def test_what_is_no_dump_is_refused(pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"--dump: .* is no dump; name a file of pg_dump"):
        push(pair, tmp_path)
    for begin, kind in ((b"BZh9", "bzip2"), (b"\xfd7zXZ\0", "xz"), (bytes(257) + b"ustar", "tar")):
        path = tmp_path / "packed"
        path.write_bytes(begin)
        with pytest.raises(ConfigurationError, match=f"{kind}, which is not read; unpack it"):
            push(pair, path)
    with pytest.raises(ConfigurationError, match="--from, --dump: both name a source"):
        push_db(environment(), Console(), url="postgres://x", dump="y", ends=pair.ends)


def address(container: str, name: str, user: str, password: str) -> DatabaseDsn:
    ask = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    host = docker("inspect", "--format", ask, container)
    return DatabaseDsn(user, Secret(password), host, name)


def test_a_database_behind_a_url_is_pushed_to_one_that_only_its_owner_administers(
    pair: Pair,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither side is reached but by its address; the target's role is no superuser."""
    pair.fresh(content.SITE)
    monkeypatch.setattr(tables, "LARGE", 1)
    # The last is more than the owner may ask for himself.
    pair.target.query(
        "ALTER ROLE site CREATEDB PASSWORD 'elsewhere'; ALTER DATABASE site SET work_mem = '7MB';"
        "ALTER DATABASE site SET log_min_duration_statement = 500;"
    )
    here = address(pair.ends.source.container, "local", "me", "local")
    there = address(pair.ends.target.container, SITE, SITE, "elsewhere")
    source, target = (server.elsewhere(one, tmp_path) for one in (here, there))
    ends = Ends(source, "local", target, Names(SITE), SITE)
    fields = push_db(environment(), Console(), ends=ends)
    assert fields["rows"] == content.SITE_ROWS
    assert "its administrator may run ALTER DATABASE site SET log_min" in _joined(capsys)
    assert pair.live("SHOW work_mem;") == [["7MB"]]
    assert (pair.marker(), pair.databases()) == ("new", {SITE, "site__previous"})


def _joined(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what was said on standard error, without its line breaks."""
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "sqlite"])
def test_another_engine_is_refused_early(scheme: str) -> None:
    site = environment(variables={"DATABASE_URL": Secret("postgres://a:b@db/c")})
    with pytest.raises(DsnError, match=rf"--from: the scheme '{scheme}' .* only PostgreSQL can"):
        find(shell, site, f"{scheme}://me:secret@example.com/db")


def test_another_database_is_read_with_the_programs_of_the_environments_version() -> None:
    site = environment(
        variables={"DATABASE_URL": Secret("postgres://a:b@db.example.com/c")},
        database_service=Database(image="postgres:18-trixie"),
    )
    ends = find(shell, site, "postgres://me:secret@example.com/db")
    assert (ends.source.image, ends.target.image) == ("postgres:18-trixie",) * 2


@contextmanager
def encrypted(folder: Path) -> Iterator[tuple[str, Path]]:
    """Run a server that speaks TLS only; yields its container and its authority's certificate."""
    with started(variables={"POSTGRES_PASSWORD": "managed"}) as container:
        at = address(container, "x", "x", "x").host
        certify = f"""cd /var/lib/postgresql/data
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr
printf 'subjectAltName = IP:{at}' >names
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -days 2 -extfile names -out server.crt
chmod 600 server.key
sed -i 's/^host /hostssl /' pg_hba.conf
echo 'ssl = on' >>postgresql.conf"""
        docker("exec", "--user", "postgres", container, "bash", "-ec", certify)
        docker("exec", "--user", "postgres", container, "pg_ctl", "reload")
        root = folder / "ca.pem"
        root.write_text(docker("exec", container, "cat", "/var/lib/postgresql/data/ca.pem"))
        yield container, root


def test_a_server_is_verified_with_the_authority_that_the_url_names(
    pair: Pair, tmp_path: Path
) -> None:
    pair.fresh(content.SITE)
    with encrypted(tmp_path) as (container, root):
        psql = ("docker", "exec", "-i", container, "psql", "-qU", "postgres")
        make = (
            b"CREATE ROLE site LOGIN CREATEDB PASSWORD 'managed'; CREATE DATABASE site OWNER site;"
        )
        shell.run(Command.of(*psql, stdin=make))
        there = address(container, SITE, SITE, "managed")
        strict = replace(there, sslmode="verify-full", sslrootcert=root.name)
        assert dsn.database(strict.render()) == strict
        target = server.elsewhere(strict, tmp_path)
        ends = replace(pair.ends, target=target)
        assert push_db(environment(), Console(), ends=ends)["rows"] == content.SITE_ROWS
        other = tmp_path / "other"
        other.mkdir()
        with encrypted(other):
            distrusted = replace(pair.ends, target=server.elsewhere(strict, other))
            with pytest.raises(DatabaseError, match="certificate verify failed"):
                push_db(environment(), Console(), ends=distrusted)
        with pytest.raises(ConfigurationError, match=r"sslrootcert: .*none\.pem is not there"):
            server.elsewhere(replace(strict, sslrootcert="none.pem"), tmp_path)
