"""Which kernels of a GPU a training step ran: those of quantised layers and those of attention."""

import re

TOLD = re.compile(r"quant|4bit|int8|igemm|flash|fmha|attention|sdpa", re.IGNORECASE)
MOST = 12
LONGEST = 80


class Kernels:
    """Watches one step with torch's profiler.

    Args:
        torch: The module.
    """

    def __init__(self, torch):
        self._torch, self._profile = torch, None

    def begin(self):
        """Starts; where the profiler cannot be had (a driver that forbids it, say), nothing is watched."""
        try:
            profiler = self._torch.profiler
            self._profile = profiler.profile(activities=[profiler.ProfilerActivity.CUDA])
            self._profile.__enter__()
        except (AttributeError, AssertionError, RuntimeError):
            self._profile = None

    def end(self):
        """Stops.

        Returns:
            Names of the kernels that are told, each once, in their order; none where none were seen.
        """
        if self._profile is None:
            return []
        self._torch.cuda.synchronize()
        try:
            self._profile.__exit__(None, None, None)
            names = [event.name for event in self._profile.events()]
        except RuntimeError:
            names = []
        self._profile = None
        return list(dict.fromkeys(map(short_name, filter(TOLD.search, names))))[:MOST]


def short_name(name):
    """A kernel's own name: "void pytorch_flash::flash_fwd_kernel<…>(…)" is "flash_fwd_kernel"."""
    plain = re.sub(r"\(anonymous namespace\)::", "", name)
    return re.split(r"[<(]", plain, maxsplit=1)[0].split("::")[-1].split(" ")[-1][:LONGEST]
