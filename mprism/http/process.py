"""What the operating system knows of this process."""

import resource
import sys
from pathlib import Path

_STATM = Path("/proc/self/statm")
_BYTES_PER_MAXRSS = 1 if sys.platform == "darwin" else 1_024  # getrusage(2) differs there


def memory_bytes(statm: Path = _STATM) -> int:
    """The resident memory of this process, in bytes (proc(5), second field of statm).

    Where there is no such file it is the peak instead, which is all that POSIX offers.
    """
    try:
        pages = int(statm.read_bytes().split()[1])
    except FileNotFoundError:
        return peak_memory_bytes()
    return pages * resource.getpagesize()


def peak_memory_bytes() -> int:
    """The largest resident memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _BYTES_PER_MAXRSS
