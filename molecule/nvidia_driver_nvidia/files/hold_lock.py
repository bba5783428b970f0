"""Have dpkg's lock, as another package manager would: hold_lock.py SECONDS."""

from __future__ import annotations

import fcntl
import pathlib
import sys
import time

with pathlib.Path("/var/lib/dpkg/lock-frontend").open("w") as stream:
    fcntl.lockf(stream, fcntl.LOCK_EX)
    time.sleep(float(sys.argv[1]))
