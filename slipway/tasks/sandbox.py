"""Run a cloud on this machine, to try everything on."""

from invoke import Context

from slipway.cli import call
from slipway.tasks import JSON, YES, task


@task(
    help={
        "hosts": "how many hosts; env/test.toml knows one, env/three.toml three",
        "storage": "azure: an Azure account beside the S3 server; env/azure.toml knows it",
    }
)
def up(_: Context, hosts: int = 1, storage: str = "s3") -> None:
    """Start a cloud on this machine: hosts reached over SSH, and an S3 server.

    env/test.toml, as it is committed, points to it. Nothing outside of this machine is touched.
    env/volume.toml keeps its media on the host itself.
    """
    call("sandbox.cloud:up", hosts=hosts, storage=storage)


@task(help=YES)
def down(_: Context, yes: bool = False) -> None:
    """Remove the cloud on this machine with all that is in it.

    Hosts, networks, volumes and keys go; images stay, so that the next start is quick.
    """
    call("sandbox.cloud:down", yes=yes)


@task(help=JSON)
def demo(_: Context, json: bool = False) -> None:
    """Show the whole story on the sandbox, checked from outside.

    Starts the sandbox and the local site, runs the four commands, and compares every file. The
    second run is quick. 'invoke sandbox.down' removes what it made.
    """
    call("sandbox.demo:demo", json=json)
