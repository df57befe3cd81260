"""Take away, from every Python that starts with this on its path, what Windows has not."""

import os
import signal
import sys

for name in ("fcntl", "resource"):
    sys.modules[name] = None  # type: ignore[assignment]
for name in ("memfd_create", "sched_getaffinity", "O_NOFOLLOW", "geteuid"):
    delattr(os, name)
del signal.setitimer
