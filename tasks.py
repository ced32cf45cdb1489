"""List all tasks: `invoke --list`, `invoke --help TASK`. Each one is a call of slipway/."""

import sys

from invoke import Collection

from slipway.cli import refuse_mistyped
from slipway.tasks import cloud, database, local, media, oncall, sandbox, site

namespace = Collection(
    # What an environment runs on
    cloud.provision,
    cloud.rotate_keys,
    cloud.destroy,
    cloud.env_vars,
    # Releases
    site.deploy,
    site.rollback,
    site.releases,
    # Media and database
    media.push_media,
    media.undo_media,
    media.pull_media,
    media.check_media,
    database.push_db,
    database.pull_db,
    database.undo_db,
    # For the one on call
    oncall.status,
    oncall.doctor,
    oncall.logs,
    oncall.shell,
    oncall.manage,
    oncall.ssh,
    oncall.maintenance,
    oncall.prune,
    # The site on this machine
    local=Collection(local.up, local.down, local.manage),
    # A cloud on this machine
    sandbox=Collection(sandbox.up, sandbox.down, sandbox.demo),
)

refuse_mistyped(namespace.task_names, sys.argv[1:])
