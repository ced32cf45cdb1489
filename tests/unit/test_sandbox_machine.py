from slipway.sandbox.machine import CAPABILITIES, missing_capabilities, options


def test_capabilities_have_the_kernels_numbers() -> None:
    assert len(CAPABILITIES) == 41
    assert CAPABILITIES[0] == "CHOWN"
    assert CAPABILITIES[24] == "SYS_RESOURCE"
    assert CAPABILITIES[40] == "CHECKPOINT_RESTORE"


def test_what_the_bounding_set_lacks_is_named() -> None:
    assert missing_capabilities("Name:\tx\nCapBnd:\t000001fffeffffff\n") == ["SYS_RESOURCE"]
    assert missing_capabilities("CapBnd:\t000001ffffffffff\n") == []
    assert missing_capabilities("no Linux\n") == []


def test_a_capability_that_the_kernel_does_not_know_is_not_missing() -> None:
    assert missing_capabilities("CapBnd:\t0000003fffffffff\n", last=37) == []
    assert missing_capabilities("CapBnd:\t0000003fffffffff\n", last=38) == ["PERFMON"]


def test_a_machine_with_all_rights_runs_a_privileged_container() -> None:
    words = options([], unified=True)
    assert "--privileged" in words
    assert "--cgroupns=private" in words
    assert not [word for word in words if "LEGACY" in word or "cap-" in word]


def test_a_machine_that_lacks_rights_asks_for_the_others() -> None:
    words = options(["SYS_RESOURCE", "SYS_TIME"], unified=False)
    assert "--privileged" not in words
    assert words.index("--cap-add=ALL") < words.index("--cap-drop=SYS_RESOURCE")
    assert "--cap-drop=SYS_TIME" in words
    assert "--env=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1" in words
    assert "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw" in words
