"""Decide how a container becomes a server with systemd and an engine of its own (pure)."""

CAPABILITIES = (  # noqa: SIM905 - by number, as linux/capability.h has them
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO "
    "SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME "
    "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG "
    "WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()
ALL_RIGHTS = (
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined",
    "--device-cgroup-rule=a *:* rwm",
)
CGROUPS_1 = (
    "--cgroupns=host",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
    "--env=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
)
CGROUPS_2 = ("--cgroupns=private",)


def missing_capabilities(status: str, last: int = len(CAPABILITIES) - 1) -> list[str]:
    """Name the capabilities that /proc/self/status says nobody on this machine can have.

    `last` is the number of the newest one that the kernel knows.
    """
    bounds = [line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:")]
    if not bounds:
        return []
    bits = int(bounds[0], 16)
    return [name for n, name in enumerate(CAPABILITIES[: last + 1]) if not bits >> n & 1]


def options(missing: list[str], *, unified: bool) -> list[str]:
    """Return the options of `docker run`; `unified` says that the machine has cgroup v2.

    `--privileged` asks for every capability and fails where the machine lacks one.
    """
    words = ["--tmpfs=/run", "--tmpfs=/run/lock", *(CGROUPS_2 if unified else CGROUPS_1)]
    if not missing:
        return [*words, "--privileged"]
    drops = [f"--cap-drop={name}" for name in missing]
    return [*words, "--cap-add=ALL", *drops, *ALL_RIGHTS]
