"""YAML as safe readers understand it, with the place of every value. Nothing is constructed but plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sftdoctor.configs.tree import Key, Node

if TYPE_CHECKING:
    import yaml

MAX_NODES = 20_000
"""Values that a file may come to with its anchors expanded; no training config has a hundredth of them."""
_PLAIN = (str, int, float, bool)
_MERGE = "tag:yaml.org,2002:merge"
_COLLECTIONS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("map", "seq"))


class YamlError(Exception):
    """It is no YAML that a safe reader takes.

    Args:
        message: What is wrong.
        line: Where, counted from 1; None where that is not known.
    """

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def parse_yaml(text: str) -> Node:
    """Parse one YAML document.

    Args:
        text: The YAML.

    Returns:
        Its value. What an anchor stands for has the place where it is written.

    Raises:
        YamlError: It is broken, has several documents, tags that make objects, or comes to too much.
    """
    import yaml

    try:
        found = yaml.compose(text, Loader=yaml.SafeLoader)
        return _Reader().read(found) if found is not None else Node(0, 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(error.problem or "it is broken", mark.line + 1 if mark else None) from error
    except yaml.YAMLError as error:
        raise YamlError(" ".join(str(error).split())[:200], None) from error
    except (RecursionError, MemoryError) as error:
        raise YamlError("it is nested too deeply", None) from error
    except (ValueError, OverflowError) as error:
        raise YamlError(f"a value cannot be read: {error}", None) from error


class _Reader:
    def __init__(self) -> None:
        import yaml

        self.scalars = yaml.constructor.SafeConstructor()
        self.left = MAX_NODES
        self.open: set[int] = set()
        """The nodes that are being read, by their id: one that comes again holds itself."""

    def read(self, node: yaml.Node) -> Node:
        import yaml

        self.left -= 1
        if self.left < 0:
            raise YamlError(f"its anchors come to more than {MAX_NODES} values", node.start_mark.line + 1)
        if id(node) in self.open:
            raise YamlError("an anchor holds itself", node.start_mark.line + 1)
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _COLLECTIONS:
            raise YamlError(f"the tag {node.tag!r} makes an object", node.start_mark.line + 1)
        self.open.add(id(node))
        start, end = node.start_mark.index, node.end_mark.index
        try:
            if isinstance(node, yaml.MappingNode):
                return Node(start, end, pairs=tuple(self._pairs(node)))
            if isinstance(node, yaml.SequenceNode):
                return Node(start, end, items=tuple(self.read(item) for item in node.value))
            return Node(start, end, self._scalar(node))
        finally:
            self.open.discard(id(node))

    def _pairs(self, node: yaml.MappingNode) -> list[tuple[Key, Node]]:
        own: list[tuple[Key, Node]] = []
        merged: list[tuple[Key, Node]] = []
        for key, value in node.value:
            if key.tag == _MERGE:
                merged += self._merged(value)
                continue
            name = self._scalar(key)
            own.append((Key(str(name), key.start_mark.index, key.end_mark.index), self.read(value)))
        names = {key.name for key, _ in own}
        return [*(pair for pair in merged if pair[0].name not in names), *own]

    def _merged(self, value: yaml.Node) -> list[tuple[Key, Node]]:
        """What `<<: *anchor` brings; of several the first one that has a key counts."""
        read = self.read(value)
        found: dict[str, tuple[Key, Node]] = {}
        for source in read.items if read.items is not None else (read,):
            for key, node in source.pairs or ():
                found.setdefault(key.name, (key, node))
        return list(found.values())

    def _scalar(self, node: yaml.Node) -> Any:
        import yaml

        if not isinstance(node, yaml.ScalarNode):
            raise YamlError("a key is no plain word", node.start_mark.line + 1)
        value = self.scalars.construct_object(node)
        return value if value is None or isinstance(value, _PLAIN) else str(node.value)
