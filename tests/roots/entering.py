"""Running programs in a kept root: chroot in a mount namespace of its own, which dies with the process."""

from pathlib import Path

# The kept root stays as it was made: read-only, with the run's own folder at /srv and nothing else of the machine.
_ENTER = """
mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && mount --bind "$2" "$1/srv" \
  && mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/tmp" || exit 125
root=$1; shift 2; exec chroot "$root" "$@"
"""
_PLAIN = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "LC_ALL=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1")


def enter(root: Path, work: Path, *command: str) -> list[str]:
    """Command line that runs `command` inside the kept root; the process it starts becomes the command itself."""
    own_mounts = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "sh", str(root), str(work))
    return ["env", "-i", *_PLAIN, *own_mounts, *command]
