"""Changes modules right after they were imported, whoever imports them and whenever: the order of imports stays."""

import importlib.util
import sys


class Hooks:
    """A finder that finds nothing itself: it lets the others find a module, and changes it once it was executed."""

    def __init__(self):
        self._after = {}
        self._busy = set()
        sys.meta_path.insert(0, self)

    def after(self, module, change):
        """Calls change(module) once that module was executed.

        Args:
            module: Its dotted name.
            change: A function that takes the module.
        """
        self._after.setdefault(module, []).append(change)

    def find_spec(self, name, path=None, target=None):
        """What the other finders find, with a loader that calls the changes."""
        if name not in self._after or name in self._busy:
            return None
        self._busy.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._busy.discard(name)
        if spec is None or not hasattr(spec.loader, "exec_module"):
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            for change in self._after[name]:
                change(module)

        spec.loader.exec_module = exec_module
        return spec
