"""Processor time and memory of this process and of those it started."""

import resource
import sys
import time
from pathlib import Path

_STATUS = Path("/proc/self/status")


def cpu_s() -> float:
    """Return the processor seconds used so far: all threads, and all children that have ended.

    Processor time rather than the clock on the wall, because waiting for a neighbour's turn is
    not work. What a neighbour does to caches and memory still shows; pairing takes care of that.
    """
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peak_mb() -> float:
    """Return the largest resident memory of this process so far, MB of 2^20 bytes.

    On Linux it is VmHWM: `ru_maxrss` is inherited from whatever process called exec.
    """
    if _STATUS.is_file():
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def children_peak_mb() -> float:
    """Return the largest resident memory of any child that has ended, MB."""
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
