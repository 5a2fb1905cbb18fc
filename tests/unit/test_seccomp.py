"""The list of what containers may ask of the kernel: of the engines' form, without holes, and with reasons."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from wheelyard.resources import data_path

PROFILE: dict[str, Any] = json.loads((data_path("builders") / "seccomp.json").read_text())
RULES: list[dict[str, Any]] = PROFILE["syscalls"]
ALLOW, REFUSE = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
EPERM, ENOSYS = 1, 38
PROTOCOLS = {0, 1, 2, 4, 6, 12, 17, 33, 41, 58, 132, 136, 255, 256, 262}
WAYS_OUT = (
    "add_key bpf clone3 fanotify_init fsopen init_module io_setup io_uring_enter io_uring_setup kexec_load keyctl "
    "mount move_mount open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root process_madvise "
    "process_vm_readv process_vm_writev ptrace request_key setns syslog umount2 unshare userfaultfd vmsplice"
)
NEEDED = (
    "brk clock_gettime close epoll_wait execve exit_group fork futex getdents64 getrandom inotify_init1 ioctl kill "
    "mmap mprotect newfstatat openat pipe2 prctl read rename rseq rt_sigreturn sched_getaffinity set_robust_list statx "
    "timerfd_create vfork wait4 write"
)


def allows(name: str, *arguments: int) -> bool:
    """Decide as libseccomp does: a rule allows a call if all of its comparisons hold."""
    return any(
        rule["action"] == ALLOW and name in rule["names"] and all(holds(one, arguments) for one in rule.get("args", ()))
        for rule in RULES
    )


def holds(comparison: dict[str, Any], arguments: tuple[int, ...]) -> bool:
    value = arguments[comparison["index"]]
    if comparison["op"] == "SCMP_CMP_MASKED_EQ":
        return bool(value & comparison["value"] == comparison["valueTwo"])
    assert comparison["op"] == "SCMP_CMP_EQ"
    return bool(value == comparison["value"])


def names(action: str) -> Iterator[str]:
    return (name for rule in RULES if rule["action"] == action for name in rule["names"])


def test_everything_that_no_rule_names_is_refused() -> None:
    assert (PROFILE["defaultAction"], PROFILE["defaultErrnoRet"]) == (REFUSE, ENOSYS)
    assert not allows("a_call_of_a_kernel_to_come")


def test_only_the_machines_own_calls_are_there_for_32_bit_ones_escape_the_filter_of_sockets() -> None:
    assert all(entry["subArchitectures"] == [] for entry in PROFILE["archMap"])
    assert not allows("socketcall")


def test_each_rule_has_a_reason_and_each_refusal_an_error() -> None:
    assert all(rule["comment"] for rule in RULES)
    assert {rule.get("errnoRet") for rule in RULES if rule["action"] == REFUSE} == {EPERM, ENOSYS}


def test_no_call_is_in_two_rules_but_by_its_arguments() -> None:
    twice = {name for name, count in Counter([*names(ALLOW), *names(REFUSE)]).items() if count > 1}
    assert twice == {"socket", "personality"}
    assert all(rule.get("args") for rule in RULES if twice & set(rule["names"]))


@pytest.mark.parametrize("family", range(50))
def test_sockets_are_unix_tcp_udp_and_the_list_of_interfaces(family: int) -> None:
    for kind in (1, 2, 3, 4, 5, 6, 10):
        usual: dict[int, set[int]] = dict.fromkeys((2, 10), {1: {0, 6}, 2: {0, 17}}.get(kind, set()))
        for flags in (0, 0o2000000, 0o4000):  # SOCK_CLOEXEC and SOCK_NONBLOCK are part of the type
            allowed = {one for one in PROTOCOLS if allows("socket", family, kind | flags, one)}
            assert allowed == {1: PROTOCOLS, 16: {0}, **usual}.get(family, set())
    assert allows("socketpair", family) is (family == 1)


@pytest.mark.parametrize("bit", range(32))
def test_processes_and_threads_start_in_the_same_namespaces(bit: int) -> None:
    namespaces = {17, 25, 26, 27, 28, 29, 30}  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET
    assert allows("clone", 1 << bit) is (bit not in namespaces)


def test_execution_domain_is_linux() -> None:
    assert allows("personality", 0)
    assert allows("personality", 0xFFFFFFFF)
    assert not allows("personality", 0x0040000)


@pytest.mark.parametrize("name", WAYS_OUT.split())
def test_ways_out_are_refused_by_name(name: str) -> None:
    assert name in set(names(REFUSE))
    assert not allows(name, 0, 0, 0)


@pytest.mark.parametrize("name", NEEDED.split())
def test_what_every_program_needs_is_allowed(name: str) -> None:
    assert allows(name)
