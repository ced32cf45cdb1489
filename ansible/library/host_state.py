"""Ansible module: read at once what a host has, for the roles to compare with."""

import grp
import hashlib
import http.client
import json
import os
import pwd
import shutil
import socket
import stat
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: host_state
short_description: Read what a host has
description:
  - Reads packages, files, units, users, sshd, firewall, clock, disk, engine and Swarm at once.
  - Changes nothing, in check mode neither.
options:
  patience:
    description: How many seconds to wait for the engine to answer, and its Swarm to have a leader.
    type: float
    default: 0
"""

SOCKET = Path("/var/run/docker.sock")
DAEMON_FILE = Path("/etc/docker/daemon.json")
FOLDERS = ("/etc/slipway", "/srv/slipway")
SINGLE_FILES = (
    "/etc/apt/apt.conf.d/52slipway",
    "/etc/sudoers.d/slipway",
    "/etc/systemd/journald.conf.d/slipway.conf",
    "/etc/systemd/system/slipway-firewall.service",
    "/etc/systemd/system/slipway-sites.service",
)
UNITS = (
    "docker.service",
    "slipway-firewall.service",
    "slipway-sites.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "systemd-timesyncd.service",
    "chrony.service",
    "ntpsec.service",
    "openntpd.service",
    # It waits while a change that could lock somebody out is not proven.
    "slipway-undo.timer",
)
PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NO_SWARM = {"LocalNodeState": "inactive", "ControlAvailable": False, "NodeID": ""}
PAUSE = 0.5
OF_DATABASES = "-services-data"
GIVEN_UP = {"paused", "rollback_paused", "rollback_completed"}


class Engine(http.client.HTTPConnection):
    """Ask the Docker engine through its socket."""

    def __init__(self) -> None:
        # Asked for a Swarm whose leader was just lost, an engine says so after 20 s.
        super().__init__("localhost", timeout=60)

    def connect(self) -> None:
        """Connect to the socket in the file system."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(SOCKET))

    def get(self, path: str) -> Any:
        """Return the decoded answer, or an empty dictionary where the engine refuses."""
        return self.asked(path) or {}

    def asked(self, path: str) -> Any:
        """Return the decoded answer, or None where the engine refuses."""
        self.request("GET", path)
        answer = self.getresponse()
        body = answer.read()
        return json.loads(body) if answer.status == 200 else None


def distribution() -> dict[str, Any]:
    """Return the distribution's name and main version, such as debian and 13."""
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    version = fields.get("VERSION_ID", "").strip('"').split(".")[0]
    name = fields.get("ID", "").strip('"')
    return {"name": name, "version": int(version) if version.isdigit() else 0}


def packages() -> list[str]:
    """Return the names of the packages that are installed."""
    words = ("dpkg-query", "--show", "--showformat", r"${Package} ${db:Status-Status}\n")
    lines = said(*words).splitlines()
    return [line.split()[0] for line in lines if line.endswith(" installed")]


def said(*words: str) -> str:
    """Return what a program of the host prints; nothing where it is missing or fails."""
    program = shutil.which(words[0], path=PROGRAMS)
    if not program:
        return ""
    run = subprocess.run([program, *words[1:]], capture_output=True, text=True, errors="replace")
    return run.stdout


def units() -> dict[str, dict[str, bool]]:
    """Return of each unit that there is whether systemd runs it now, and at boot."""
    wanted = "Id,LoadState,UnitFileState,ActiveState"
    blocks = said("systemctl", "show", *UNITS, "--property", wanted).split("\n\n")
    fields = [dict(line.split("=", 1) for line in block.splitlines()) for block in blocks]
    return {
        unit["Id"]: {
            "enabled": unit["UnitFileState"] == "enabled",
            "active": unit["ActiveState"] == "active",
        }
        for unit in fields
        if unit.get("LoadState") in {"loaded", "masked"}
    }


def in_container() -> bool:
    """Return whether the host is a container, which has the clock of its machine."""
    return said("systemd-detect-virt", "--container").strip() not in {"", "none"}


def sshd() -> dict[str, Any]:
    """Return the settings that sshd would start with, and its ports."""
    found: dict[str, Any] = {"port": []}
    for line in said("sshd", "-T").splitlines():
        name, _, value = line.partition(" ")
        if name == "port":
            found["port"].append(int(value))
        else:
            # One setting has two names.
            found[name] = "prohibit-password" if value == "without-password" else value
    return {name: value for name, value in found.items() if value}


def firewall() -> str:
    """Return the revision of the rules that are loaded, or nothing."""
    for line in said("nft", "--stateless", "list", "table", "inet", "slipway").splitlines():
        if line.strip().startswith("comment "):
            return line.split('"')[1]
    return ""


def own_keys() -> list[str]:
    """Return the public keys that may log in as the one who runs this module."""
    return keys_of(os.environ.get("SUDO_USER") or "root")


def keys_of(user: str) -> list[str]:
    """Return the lines of a user's authorized_keys; none of one that cannot be read."""
    path = Path(pwd.getpwnam(user).pw_dir, ".ssh/authorized_keys")
    try:
        # A comment may be in any encoding.
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def users() -> dict[str, dict[str, list[str]]]:
    """Return the groups and keys of each user that is a person's, not the system's."""
    groups = grp.getgrall()
    return {
        user.pw_name: {
            "groups": [group.gr_name for group in groups if user.pw_name in group.gr_mem],
            "keys": keys_of(user.pw_name),
        }
        for user in pwd.getpwall()
        if 1000 <= user.pw_uid < 60000
    }


def free() -> int:
    """Return how many bytes are free where Docker keeps its data, or will."""
    path = Path("/var/lib/docker")
    return shutil.disk_usage(path if path.is_dir() else "/var").free


def daemon_settings() -> Any:
    """Return what the engine's configuration file says."""
    if not DAEMON_FILE.exists():
        return {}
    return json.loads(DAEMON_FILE.read_text(encoding="utf-8") or "{}")


def log_flags() -> bool:
    """Return whether the engine's unit says how logs are kept: a file must not say it too."""
    return "--log-" in said("systemctl", "cat", "docker.service")


def files() -> dict[str, dict[str, str]]:
    """Return what earlier runs wrote, by path; the site's own data stay unread."""
    found = {}
    for top in FOLDERS:
        for folder, names, plain in os.walk(top):
            paths = [Path(folder), *(Path(folder, name) for name in plain)]
            if "data" in names:
                names.remove("data")
                paths.append(Path(folder, "data"))
            found.update({str(path): described(path) for path in paths})
    singles = [Path(name) for name in SINGLE_FILES if Path(name).exists()]
    return {**found, **{str(path): described(path) for path in singles}}


def described(path: Path) -> dict[str, str]:
    """Return a file's owner, mode and checksum; other than files have no checksum."""
    status = path.lstat()
    plain = stat.S_ISREG(status.st_mode)
    return {
        "owner": f"{status.st_uid}:{status.st_gid}",
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest() if plain else "",
    }


def mtu() -> int:
    """Return the packet size of the interface that leads out, in bytes."""
    routes = [line.split() for line in Path("/proc/net/route").read_text().splitlines()]
    names = [route[0] for route in routes if route[1] == "00000000"]
    return int(Path(f"/sys/class/net/{names[0]}/mtu").read_text()) if names else 1500


def addresses() -> dict[str, int]:
    """Return the addresses under which others may know this host, with their packet sizes."""
    return {
        entry["local"]: link["mtu"]
        for link in json.loads(said("ip", "-json", "address", "show", "up") or "[]")
        if not link.get("ifname", "").startswith(("docker", "br-", "veth"))
        for entry in link.get("addr_info", ())
        if entry.get("scope") == "global"
    }


def address() -> str:
    """Return this host's own address on the way out, or nothing; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def of_engine(engine: Engine) -> dict[str, Any]:
    """Return what every engine tells: whether it answers, its Swarm, its images."""
    info = engine.get("/info")
    names = [
        name
        for image in engine.get("/images/json")
        for name in (image["RepoTags"] or []) + (image["RepoDigests"] or [])
    ]
    swarm = {key: info["Swarm"][key] for key in NO_SWARM} if info else NO_SWARM
    found = engine.get("/volumes").get("Volumes") or []
    volumes = {
        one["Name"]: one["Mountpoint"] for one in found if one["Name"].endswith(OF_DATABASES)
    }
    clusters = {name: cluster(Path(folder)) for name, folder in volumes.items()}
    return {"answers": bool(info), "swarm": swarm, "images": names, "clusters": clusters}


def cluster(volume: Path) -> dict[str, Any]:
    """Return the main version of the database in a volume, and its folder there; 0 for none."""
    found = [(0, ".")]
    for pattern in ("PG_VERSION", "[!.]*/PG_VERSION", "[!.]*/docker/PG_VERSION"):
        for path in volume.glob(pattern):
            # Empty while it is being written.
            version = path.read_text(errors="replace").partition(".")[0].strip() or "0"
            found.append((int(version), str(path.parent.relative_to(volume))))
    return dict(zip(("major", "folder"), max(found), strict=True))


def of_manager(engine: Engine) -> dict[str, Any]:
    """Return what only a manager of a Swarm tells, while there is a leader."""
    members = engine.asked("/nodes")
    if members is None:
        return {"leaderless": True}
    nodes = {entry["ID"]: entry["Spec"].get("Labels") or {} for entry in members}
    up = [entry["ID"] for entry in members if entry["Status"]["State"] == "ready"]
    tasks = engine.get("/tasks?filters=" + quote('{"desired-state":["running"]}'))
    services = {entry["Spec"]["Name"]: entry for entry in engine.get("/services")}
    return {
        "networks": [entry["Name"] for entry in engine.get("/networks")],
        "secrets": [entry["Spec"]["Name"] for entry in engine.get("/secrets")],
        "revisions": {name: revision(entry) for name, entry in services.items()},
        "settled": [name for name, entry in services.items() if settled(entry, tasks, len(up))],
        "failed": [name for name, entry in services.items() if given_up(entry)],
        "nodes": nodes,
        "up": up,
        "names": {entry["ID"]: entry["Description"]["Hostname"] for entry in members},
        "roles": {entry["ID"]: entry["Spec"]["Role"] for entry in members},
    }


def revision(service: dict[str, Any]) -> str:
    """Return which form of its stack file a service was deployed from."""
    return str((service["Spec"].get("Labels") or {}).get("slipway.revision", ""))


def settled(service: dict[str, Any], tasks: list[dict[str, Any]], nodes: int) -> bool:
    """Return whether all tasks of a service run, are healthy, and are of its present form."""
    replicas = service["Spec"]["Mode"].get("Replicated", {}).get("Replicas", nodes)
    mine = [task for task in tasks if task["ServiceID"] == service["ID"]]
    return len(mine) == replicas and all(
        task["Status"]["State"] == "running"
        and form(task["Spec"]) == form(service["Spec"]["TaskTemplate"])
        for task in mine
    )


def form(spec: dict[str, Any]) -> dict[str, Any]:
    """Return what a service or a task asks for; only services tell their runtime."""
    return {key: value for key, value in spec.items() if value and key != "Runtime"}


def given_up(service: dict[str, Any]) -> bool:
    """Return whether the last update of a service was stopped or taken back."""
    return (service.get("UpdateStatus") or {}).get("State", "") in GIVEN_UP


def state() -> dict[str, Any]:
    """Return everything; a host without an engine has the same fields, empty."""
    found: dict[str, Any] = {
        "distribution": distribution(),
        "packages": packages(),
        "files": files(),
        "clock": time.time(),
        "container": in_container(),
        "free": free(),
        "users": users(),
        "own_keys": own_keys(),
        "sshd": sshd(),
        "firewall": firewall(),
        "mtu": mtu(),
        "addresses": addresses(),
        "address": address(),
        "engine_installed": bool(shutil.which("dockerd", path=PROGRAMS)),
        "units": units(),
        "daemon": daemon_settings(),
        "log_flags": log_flags(),
        **{"answers": False, "swarm": NO_SWARM, "images": [], "clusters": {}},
        **{"networks": [], "secrets": [], "nodes": {}, "roles": {}},
        **{"leaderless": False, "up": [], "names": {}},
        **{"revisions": {}, "settled": [], "failed": []},
    }
    found.update(told())
    return found


def told() -> dict[str, Any]:
    """Return what the engine tells; nothing where none answers."""
    if not SOCKET.exists():
        return {}
    engine = Engine()
    try:
        found = of_engine(engine)
        if found["swarm"]["ControlAvailable"]:
            found.update(of_manager(engine))
    except (OSError, http.client.HTTPException):
        # A socket is left over, but nobody listens, or not yet: the engine is started later.
        return {}
    return found


def awaited(patience: float) -> None:
    """Wait until the engine answers and its Swarm has a leader, or for `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and not ready(told()):
        time.sleep(PAUSE)


def ready(found: dict[str, Any]) -> bool:
    """Return whether an engine answers and has found the Swarm that it belongs to, if any."""
    if not found.get("answers") or found.get("leaderless"):
        return False
    return bool(found["swarm"]["LocalNodeState"] != "pending")


def main() -> None:
    """Hand the state over as a fact."""
    options = {"patience": {"type": "float", "default": 0.0}}
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    awaited(module.params["patience"])
    try:
        module.exit_json(changed=False, ansible_facts={"host_state": state()})
    except json.JSONDecodeError as error:
        module.fail_json(msg=f"{DAEMON_FILE} is no JSON ({error}); mend or remove it")


if __name__ == "__main__":
    main()
