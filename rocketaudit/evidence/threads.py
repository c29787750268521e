"""Whether this process may fork: only one that has no other thread."""

from __future__ import annotations

import os
import threading


def threads_run() -> bool:
    """Whether this process has more than one thread, also one that C code started."""
    if threading.active_count() > 1:
        return True
    try:
        return len(os.listdir("/proc/self/task")) > 1
    except OSError:
        return False
