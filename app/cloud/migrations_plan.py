"""Say which migrations are pending, and what the code that runs now cannot live with in them.

The SQL of each migration is judged by django-migration-linter, which lies beside the site's own
packages (RELEASE_PACKAGES) and is loaded for this alone.
"""

import os
import sys
from collections.abc import Iterator

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration

PACKAGES = os.environ.get("RELEASE_PACKAGES", "/opt/release")
NO_LINTER = "not judged: django-migration-linter is not in the image"
Plan = list[dict[str, object]]


def pending(connection: BaseDatabaseWrapper) -> Plan:
    """List the migrations to come, in their order, each with what is unsafe in it."""
    executor = MigrationExecutor(connection)
    steps = [one for one, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
    # Where nothing was ever applied, no code runs that could be hurt.
    fresh = not executor.loader.applied_migrations
    return [
        {"name": _name(one), "unsafe": [] if fresh else list(_unsafe(executor.loader, one))}
        for one in steps
    ]


def half_done(connection: BaseDatabaseWrapper) -> str:
    """Name the migration that comes next, where a failure may have left it half done."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return "" if not plan or plan[0][0].atomic else _name(plan[0][0])


def unknown(connection: BaseDatabaseWrapper) -> list[str]:
    """List the migrations that the database has and this code does not know."""
    loader = MigrationLoader(connection)
    known = set(loader.disk_migrations) | {old for one in loader.replacements.values()
                                           for old in one.replaces}  # fmt: skip
    return sorted(".".join(key) for key in loader.applied_migrations if key not in known)


def _name(migration: Migration) -> str:
    return f"{migration.app_label}.{migration.name}"


def _unsafe(loader: MigrationLoader, migration: Migration) -> Iterator[str]:
    sys.path.append(PACKAGES)
    try:
        from django_migration_linter.sql_analyser import (
            analyse_sql_statements,
            get_sql_analyser_class,
        )
    except ImportError:
        yield NO_LINTER
        return
    finally:
        sys.path.remove(PACKAGES)
    judge = get_sql_analyser_class(loader.connection.settings_dict["ENGINE"])
    plan = [(loader.graph.nodes[migration.app_label, migration.name], False)]
    errors, _, __ = analyse_sql_statements(judge, loader.collect_sql(plan), [])
    if errors:
        # The SQL's own names are not always told; what the migration does is.
        done = ", ".join(one.describe() for one in migration.operations)
        yield f"{', '.join(dict.fromkeys(one.message for one in errors))} ({done})"
