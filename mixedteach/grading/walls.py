"""The walls of the box: what bubblewrap is told, and which system calls are refused."""

from __future__ import annotations

import os
import platform
import site
import struct
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mixedteach.errors import MixedTeachError
from mixedteach.paths import resource

HOME, FOLDER = "/tmp/home", "/tmp/exercise"  # inside
_PACKAGE = Path(__file__).resolve().parents[1]


class BoxError(MixedTeachError):
    """A submission could not be run in a box, through no fault of its own."""


def other_user() -> int | None:
    """Return, for root, a user that nobody is; each process that grades has its own."""
    if os.geteuid() != 0:
        return None
    own = threading.get_native_id()
    for first, count in ((1_879_048_192, 100_000_000), (61_184, 4_000), (1_000, 60_000)):
        with suppress(OSError), open("/proc/self/uid_map") as table:
            for line in table:
                inside, _, length = map(int, line.split())
                if inside <= first and first + count <= inside + length:
                    return first + own % count
    raise BoxError(
        "The box needs a user other than root, and this container has none: grade as an ordinary "
        "user."
    )


def visible() -> list[Path]:
    """Return the folders and files of this machine that the box shows: Python and the package."""
    roots = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]}
    parts = ("bin", "lib", "lib32", "lib64", "pyvenv.cfg", "etc/fonts")
    shared = ("fonts", "fontconfig", "zoneinfo", "terminfo", "locale")
    wanted = [root / part for root in {*roots, Path("/usr")} for part in parts]
    wanted += [root / "share" / part for root in {*roots, Path("/usr")} for part in shared]
    wanted += [Path(name) for name in site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        wanted.append(Path(site.getusersitepackages()))
    etc = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime")
    wanted += [Path("/etc", name) for name in etc]
    wanted += [_PACKAGE, resource("datasets")]
    found = sorted({path for path in wanted if path.exists()} | {p.resolve() for p in wanted})
    inner: list[Path] = []
    for path in filter(Path.exists, found):
        if not any(path.is_relative_to(other) for other in inner):
            inner.append(path)
    return inner


def check_hidden(extra: Path | None, seen: Iterable[Path]) -> None:
    """Refuse a course that lies where Python lies: other submissions could be read there."""
    for path in seen:
        if extra is not None and extra.resolve().is_relative_to(path.resolve()):
            raise BoxError(
                f"The box shows {path}, where Python is, and '{extra.name}' lies inside it: move "
                "the course to a folder of its own."
            )


def arguments(
    disk_mb: int, user: int | None, seen: Iterable[Path], info: int, rules: int, people: int
) -> list[str]:
    """Return what bubblewrap is told."""
    args = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    args += ["--unshare-cgroup-try", "--die-with-parent", "--new-session", "--hostname", "box"]
    if user is None:
        args += ["--unshare-user", "--uid", "1000", "--gid", "1000"]
    else:  # root: the runner becomes `user` with the only two rights it is left
        args += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    # before all others, which may lie in it
    args += ["--perms", "1777", "--size", str(disk_mb << 20), "--tmpfs", "/tmp"]
    above = {parent for path in seen for parent in path.parents[:-1]} | {Path("/etc")}
    for parent in sorted(above - {Path("/tmp")}):  # those bwrap makes are for its own user only
        args += ["--perms", "0755", "--dir", str(parent)]
    for path in seen:
        args += ["--ro-bind", str(path), str(path)]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        path = Path("/", name)
        if path.is_symlink():
            args += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            args += ["--ro-bind", str(path), str(path)]
    packed = _PACKAGE / "_resources"
    if packed.is_dir():  # an installed package carries the solutions too
        for path in packed.iterdir():
            if path.is_dir() and path.name != "datasets":
                args += ["--tmpfs", str(path), "--remount-ro", str(path)]
    args += ["--perms", "0444", "--ro-bind-data", str(people), "/etc/passwd"]
    args += ["--proc", "/proc", "--dev", "/dev"]
    args += ["--perms", "1777", "--size", str(16 << 20), "--tmpfs", "/dev/shm"]
    args += ["--remount-ro", "/dev"]
    args += ["--remount-ro", "/", "--chdir", "/tmp", "--clearenv"]
    path = os.pathsep.join(dict.fromkeys([str(Path(sys.executable).parent), "/usr/bin", "/bin"]))
    for name, value in {**environment(HOME, "/tmp"), "PATH": path}.items():
        args += ["--setenv", name, value]
    return [*args, "--info-fd", str(info), "--seccomp", str(rules)]


def environment(home: str, temporary: str) -> dict[str, str]:
    """Return the variables a notebook finds: its own folders, one thread, no network."""
    return {
        "HOME": home, "USERPROFILE": home, "TMPDIR": temporary, "TEMP": temporary,
        "TMP": temporary, "USER": "student", "LANG": "C.UTF-8", "PYTHONUTF8": "1", "TZ": "UTC",
        "IPYTHONDIR": f"{home}/.ipython", "XDG_CACHE_HOME": f"{home}/.cache",
        "MPLCONFIGDIR": f"{home}/.cache/matplotlib",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        # one thread a submission: others are waiting, and threads ask for memory
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
        "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1",  # fails at once, without network
    }  # fmt: skip


# system calls refused inside: machine -> (its mark, the lowest number of a foreign calling
# convention, clone, socket, the others). The names: ptrace, process_vm_readv, process_vm_writev,
# mount, umount2, pivot_root, chroot, unshare, setns, memfd_create, shmget, semget, msgget,
# add_key, request_key, keyctl, bpf, perf_event_open, userfaultfd, kexec_load, init_module,
# finit_module, delete_module, name_to_handle_at, open_by_handle_at, quotactl, acct, swapon, reboot
_CALLS = {
    "x86_64": (
        0xC000003E, 0x40000000, 56, 41,
        (101, 310, 311, 165, 166, 155, 161, 272, 308, 319, 29, 64, 68, 248, 249, 250, 321, 298,
         323, 246, 175, 313, 176, 303, 304, 179, 163, 167, 169),
    ),
    "aarch64": (
        0xC00000B7, 0xFFFFFFFF, 220, 198,
        (117, 270, 271, 40, 39, 41, 51, 97, 268, 279, 194, 190, 186, 217, 218, 219, 280, 241,
         282, 104, 105, 273, 106, 264, 265, 60, 89, 224, 142),
    ),
}  # fmt: skip
KNOWN_MACHINES = frozenset(_CALLS)
# the same number everywhere: io_uring (3), open_tree, move_mount, fsopen, fsconfig, fsmount,
# fspick, pidfd_getfd, mount_setattr, memfd_secret
_CALLS_EVERYWHERE = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442, 447)
_CLONE3 = 435
_NEW_NAMESPACES = 0x7E020000  # flags of clone
_OWN_NETWORK = (1, 2, 10)  # families of sockets that a namespace encloses: unix, IPv4, IPv6


def system_calls() -> bytes:
    """Return the filter of system calls, as the kernel reads it (classic BPF)."""
    mark, foreign, clone, socket, refused = _CALLS[platform.machine()]
    load, equal, at_least, any_bit, leave = 0x20, 0x15, 0x35, 0x45, 0x06

    def line(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("=HBBI", code, yes, no, value)

    def fail(error: int) -> bytes:
        return line(leave, 0x00050000 | error)

    no_permission, unknown, no_family, allow = fail(1), fail(38), fail(97), line(leave, 0x7FFF0000)
    lines = [
        line(load, 4), line(equal, mark, yes=1), no_permission,
        line(load, 0), line(at_least, foreign, no=1), no_permission,
    ]  # fmt: skip
    for number in (*refused, *_CALLS_EVERYWHERE):
        lines += [line(equal, number, no=1), no_permission]
    # clone3 hides its flags from filters: libraries then fall back to clone
    lines += [line(equal, _CLONE3, no=1), unknown]
    lines += [line(equal, clone, no=4), line(load, 16), line(any_bit, _NEW_NAMESPACES, no=1)]
    lines += [no_permission, allow]
    lines += [line(equal, socket, no=5), line(load, 16)]
    lines += [line(equal, family, yes=3 - i) for i, family in enumerate(_OWN_NETWORK)]
    lines[-1] = line(equal, _OWN_NETWORK[-1], yes=1)
    lines += [no_family, allow]
    return b"".join(lines)
