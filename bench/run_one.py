"""Runs one command and prints what it cost; a process of its own, since a child's peak memory starts at its parent's.

python -I -S run_one.py STDERR_FILE STDOUT_FILE COMMAND...: prints "exit_code wall cpu peak_kib" on standard output.
"""

import os
import sys
import time


def main() -> None:
    stderr, stdout, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    new = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = (
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, stdout, new, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, stderr, new, 0o600),
    )
    began = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - began
    print(os.waitstatus_to_exitcode(status), wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


main()
