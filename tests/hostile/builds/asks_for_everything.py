"""Fail with the words of compilers that lack a thousand things, among them commands, paths, options and a toolchain."""

REFUSED = "build-failed"
STAGE = "build"
SAID = "is missing"

_NAMES = [
    "$(touch /tmp/mine).h",
    "`reboot`.h",
    "../../etc/passwd",
    "/etc/shadow",
    "-oAPT::Update::Pre-Invoke::=reboot.h",
    "libc6-.h",
    "stdio.h;apt-get remove libc6",
    *(f"header{number}.h" for number in range(1000)),
]


def attack():
    for name in _NAMES:
        print(f"x.c:1:10: fatal error: {name}: No such file or directory")
        print(f"Package '{name}' was not found")
        print(f"/usr/bin/ld: cannot find -l{name}")
        print(f"FileNotFoundError: [Errno 2] No such file or directory: '{name}'")
    raise SystemExit(1)
