"""Show a page instead of the site, through the proxy of each host, until it is told to end.

The proxy looks for a file of the site's name with each request, so that nothing is reloaded and
no connection is cut; the file stays where a proxy, or a host, is started again.
"""

import secrets
import time
from collections.abc import Callable

from slipway import ssh
from slipway.command import Shell
from slipway.console import Console
from slipway.environment import Environment
from slipway.errors import CommandError, ConfigurationError, HostError, SlipwayError
from slipway.hostfacts import MAINTENANCE
from slipway.interrupt import cleans_up
from slipway.parallel import each
from slipway.probe import Answer, ask
from slipway.secrets import Secret
from slipway.settings.hosts import Host

# What an answer of the proxy itself, in maintenance, is known by.
TITLE = "Maintenance"
ENTRANCE = "/.maintenance/"
PATIENCE = 5.0
# The pass comes by standard input: an argument list could be read by everybody on the host.
ON = """
read -r pass
mkdir -p "$1" && rm -f "$1/$2".pass-* && : > "$1/$2.pass-$pass" && : > "$1/$2"
"""
OFF = 'rm -f "$1/$2" "$1/$2".pass-*'


def maintenance(
    environment: Environment,
    console: Console,
    *,
    on: bool,
    off: bool,
    shell: Shell | None = None,
) -> None:
    """Begin or end the maintenance of a site on all hosts, or on none.

    Raises ConfigurationError unless exactly one is asked for, HostError where a proxy does not
    do it; the site is shown again then.
    """
    if on == off:
        raise ConfigurationError("maintenance", "needs --on or --off", "give one of them")
    runs, key = shell or Shell(), Secret(secrets.token_hex(16))
    with cleans_up():
        if on:
            _begin(environment, console, runs, key)
        else:
            with console.step("Show the site again"):
                _end(environment, runs)
    url = f"{environment.site.url}{ENTRANCE}{key.reveal()}" if on else ""
    if on:
        console.say(f"Whoever opens {url} sees the site all the same.")
    console.result({"environment": environment.name, "on": on, "pass_url": url})


def _begin(environment: Environment, console: Console, shell: Shell, key: Secret) -> None:
    pages = each(lambda host: shows_page(ask(environment.site, host, path="/")), environment.hosts)
    try:
        with console.step("Show the maintenance page on each host"):
            _on_all(environment, lambda host: _switch(shell, environment, host, ON, key))
            each(lambda host: _expect_page(environment, host), environment.hosts)
    except BaseException:
        if any(pages):
            # Somebody relies on it.
            console.warn("the page was shown before, and stays where it can be shown")
            raise
        try:
            with console.step("Show the site again"):
                _end(environment, shell)
        except SlipwayError as error:
            console.warn(f"the page may still be shown: {error}")
        raise


def _end(environment: Environment, shell: Shell) -> None:
    """End it on every host that can be reached; raises what the first other one said."""
    _on_all(environment, lambda host: _switch(shell, environment, host, OFF))


def _on_all(environment: Environment, function: Callable[[Host], None]) -> None:
    """Call the function for every host and wait for all; raises what the first refusal said."""
    refused: list[SlipwayError] = []

    def call(host: Host) -> None:
        try:
            function(host)
        except SlipwayError as error:
            refused.append(error)

    each(call, environment.hosts)
    if refused:
        raise refused[0]


def _switch(
    shell: Shell, environment: Environment, host: Host, script: str, key: Secret | None = None
) -> None:
    words = ["sh", "-ec", script, "sh", MAINTENANCE, environment.stack]
    sudo = [] if host.user == "root" else ["sudo", "--non-interactive"]
    stdin = Secret(f"{key.reveal()}\n") if key else None
    try:
        ssh.run(shell, host, *sudo, *words, stdin=stdin)
    except CommandError as error:
        raise HostError(host.name, error.what, f"does {host.user} have sudo?") from None


def _expect_page(environment: Environment, host: Host, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    answer = ask(environment.site, host, path="/")
    while not shows_page(answer) and time.monotonic() < deadline:
        time.sleep(0.25)
        answer = ask(environment.site, host, path="/")
    if not shows_page(answer):
        hint = f"'invoke provision -e {environment.name}' teaches it"
        what = f"the proxy does not show the maintenance page (it answers {answer.status})"
        raise HostError(host.name, what, hint)


def shows_page(answer: Answer) -> bool:
    """Return whether an answer is the proxy's page (pure)."""
    return answer.status == 503 and f"<title>{TITLE}</title>" in answer.text
