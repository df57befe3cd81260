"""Whether `torch.compile` can work here."""

import os
import shutil

from contenders.interface import LeftOut, Reason


def unless_compiler() -> LeftOut | None:
    """Leave a contender out where there is no C++ compiler."""
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        return LeftOut(Reason.NO_COMPILER, "torch.compile needs g++, or another named in CXX")
    return None
