"""What is measured beside the checks."""

import contextlib
import gc
import re
import sys
from pathlib import Path


def reset_peak(stack):
    """Begins to measure the peak memory anew."""
    gc.collect()
    if stack.cuda:
        stack.torch.cuda.empty_cache()
        stack.torch.cuda.reset_peak_memory_stats()
    else:
        with contextlib.suppress(OSError):  # not there or forbidden: the peak is then that of the whole process
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory(stack):
    """Peak memory since reset_peak, in bytes: of the allocator on a GPU, of the process on a CPU."""
    if stack.cuda:
        return int(stack.torch.cuda.max_memory_allocated())
    try:
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text()).group(1)) * 1024
    except (OSError, AttributeError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
