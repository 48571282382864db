"""Which operators a training step ran: those of quantised layers and those of attention."""

import re

TOLD = re.compile(r"bitsandbytes::|MatMul[48][Bb]it|_scaled_dot_product_\w*attention|flash_attn|flex_attention")
MOST = 12
LONGEST = 80


class Operators:
    """Watches one step with torch's profiler: its view of the operators, so that the GPU's own profiler is not started.

    Args:
        torch: The module.
    """

    def __init__(self, torch):
        self._torch, self._profile = torch, None

    def begin(self):
        """Starts; where the profiler cannot be had (an old torch, another one that runs), nothing is watched."""
        try:
            profiler = self._torch.profiler
            self._profile = profiler.profile(activities=[profiler.ProfilerActivity.CPU])
            self._profile.__enter__()
        except (AttributeError, AssertionError, RuntimeError):
            self._profile = None

    def end(self):
        """Stops.

        Returns:
            Names of the operators that are told, each once, in their order; none where none were seen.
        """
        if self._profile is None:
            return []
        try:
            self._profile.__exit__(None, None, None)
            names = [event.name for event in self._profile.events()]
        except RuntimeError:
            names = []
        self._profile = None
        return told(names)


def told(names):
    """Of the names of what ran, those of quantised layers and of attention."""
    found = dict.fromkeys(name[:LONGEST] for name in names if TOLD.search(name) and "ackward" not in name)
    return list(found)[:MOST]
