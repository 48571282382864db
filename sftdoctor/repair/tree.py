"""A script's syntax tree with the offset of every node in its text, and how a node is found by its Location."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import libcst as cst
from libcst.metadata import Assignment, CodeRange, MetadataWrapper, ParentNodeProvider, PositionProvider, ScopeProvider

from sftdoctor.errors import RepairError
from sftdoctor.model import Location
from sftdoctor.repair.splices import Splice, line_starts

__all__ = ["Splice", "Tree", "find_argument", "find_call", "find_statement"]

Node = TypeVar("Node", bound=cst.CSTNode)


class Tree:
    """A parsed script with the offset of every node in its text."""

    def __init__(self, text: str, path: str, wrapper: MetadataWrapper) -> None:
        self.text = text
        self.path = path
        self.module = wrapper.module
        self.newline = self.module.default_newline
        self._positions = wrapper.resolve(PositionProvider)
        self._parents = wrapper.resolve(ParentNodeProvider)
        self._starts = line_starts(text)
        self._wrapper = wrapper

    @classmethod
    def read(cls, text: str, path: str) -> Tree:
        """Parse a script.

        Raises:
            RepairError: It is not Python, or libcst cannot give it back unchanged.
        """
        try:
            module = cst.parse_module(text)
        except (cst.ParserSyntaxError, RecursionError) as error:
            raise RepairError(f"{path} cannot be parsed: {error}") from error
        if module.code != text:
            raise RepairError(f"{path} cannot be edited without changing other parts", "make the change by hand")
        return cls(text, path, MetadataWrapper(module, unsafe_skip_copy=True))

    def range(self, node: cst.CSTNode) -> CodeRange:
        """Lines (from 1) and columns (from 0) of a node."""
        return self._positions[node]

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """Offsets of a node's first character and of the one after its last."""
        found = self._positions[node]
        return self.offset(found.start.line, found.start.column), self.offset(found.end.line, found.end.column)

    def offset(self, line: int, column: int) -> int:
        """Offset of a line (from 1) and column (from 0)."""
        return self._starts[line - 1] + column

    def code(self, node: cst.CSTNode) -> str:
        """The text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def line_of(self, offset: int) -> tuple[int, int]:
        """Offsets at which the line that holds this offset begins and ends (its line end not included)."""
        begin = max((start for start in self._starts if start <= offset), default=0)
        end = begin
        while end < len(self.text) and self.text[end] not in "\r\n":
            end += 1
        return begin, end

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The node above."""
        return self._parents.get(node)

    def every(self, kind: type[Node]) -> list[Node]:
        """All nodes of that kind."""
        return [node for node in self._positions if isinstance(node, kind)]

    def statements(self) -> list[cst.BaseStatement]:
        """All whole statements."""
        kinds = (cst.SimpleStatementLine, cst.BaseCompoundStatement)
        return [node for node in self._positions if isinstance(node, kinds)]

    def statement_of(self, node: cst.CSTNode) -> cst.BaseStatement:
        """The innermost whole statement that a node is part of."""
        above: cst.CSTNode | None = node
        while above is not None and not isinstance(above, (cst.SimpleStatementLine, cst.BaseCompoundStatement)):
            above = self.parent(above)
        if above is None:
            raise RepairError(f"{self.path}:{self.range(node).start.line}: no statement there")
        return above

    def assignments(self, at: cst.CSTNode, name: str) -> list[cst.CSTNode]:
        """The nodes that bind a name as it is seen at a node: names, parameters, imports, definitions."""
        scope = self._wrapper.resolve(ScopeProvider).get(at)
        found = scope[name] if scope is not None else ()
        return [one.node for one in found if isinstance(one, Assignment)]

    def value_of(self, at: cst.CSTNode, name: str) -> cst.BaseExpression | None:
        """What a name stands for at a node, where it is bound once and for all by `name = value`; else None."""
        bound = self.assignments(at, name)
        target = self.parent(bound[0]) if len(bound) == 1 else None
        if isinstance(target, cst.AnnAssign):
            return target.value if target.target is bound[0] else None
        above = self.parent(target) if isinstance(target, cst.AssignTarget) else None
        return above.value if isinstance(above, cst.Assign) and len(above.targets) == 1 else None

    def comma(self, node: cst.Arg | cst.ImportAlias | cst.BaseDictElement) -> tuple[int, int] | None:
        """Offsets of the comma that follows an element; None where there is none."""
        return self.span(node.comma) if isinstance(node.comma, cst.Comma) else None

    def column_of(self, location: Location, line_start: int) -> set[int]:
        """Columns (from 0, in characters) that a Location's column may mean: characters, or bytes of UTF-8 as ast."""
        if location.column is None:
            return set()
        wanted = location.column - 1
        found = {wanted}
        line = self.text[line_start : self.line_of(line_start)[1]].encode()[:wanted]
        if len(line) == wanted:
            found.add(len(line.decode(errors="ignore")))
        return found


def find_call(tree: Tree, location: Location, *keywords: str) -> cst.Call:
    """The call that a Location means.

    Args:
        tree: The script.
        location: Where the call begins; without a column, or where that fits none, the only call of the line.
        keywords: Preferred is a call that has the first of them, else one that has the next.

    Raises:
        RepairError: There is none, or more than one fits.
    """
    if location.line is None:
        raise RepairError(f"{tree.path}: the edit does not say on which line")
    on_line = [call for call in tree.every(cst.Call) if tree.range(call).start.line == location.line]
    inside = [call for call in tree.every(cst.Call) if _covers(tree.range(call), location.line)]
    columns = tree.column_of(location, tree.offset(location.line, 0)) if on_line else set()
    exact = [call for call in on_line if tree.range(call).start.column in columns]
    for group in (_same_end(tree, exact, location), exact, on_line, inside):
        if len(group) == 1:
            return group[0]
        for keyword in keywords:
            having = [call for call in group if find_argument(call, keyword)]
            if len(having) == 1:
                return having[0]
    raise RepairError(
        f"{tree.path}:{location.line}: the call cannot be told from its neighbours", "make the change by hand"
    )


def find_argument(call: cst.Call, keyword: str) -> cst.Arg | None:
    """The argument that is passed under this keyword."""
    return next((arg for arg in call.args if arg.keyword is not None and arg.keyword.value == keyword), None)


def _covers(span: CodeRange, line: int) -> bool:
    return span.start.line <= line <= span.end.line


def _same_end(tree: Tree, calls: Sequence[cst.Call], location: Location) -> list[cst.Call]:
    """Of chained calls, which all begin at the same place, the one that ends where the Location does."""
    if location.end_line is None or location.end_column is None:
        return []
    ends = {(location.end_line, location.end_column - 1), (location.end_line, location.end_column)}
    return [call for call in calls if (tree.range(call).end.line, tree.range(call).end.column) in ends]


def find_statement(tree: Tree, location: Location) -> cst.BaseStatement:
    """The innermost whole statement at a Location.

    Raises:
        RepairError: There is none, or it shares its line with the `if` or loop that it belongs to.
    """
    line = location.line or 0
    found = [node for node in tree.statements() if _covers(tree.range(node), line)]
    if not found:
        raise RepairError(f"{tree.path}:{line}: no statement there")
    best = min(found, key=lambda node: len(tree.code(node)))
    body = getattr(best, "body", None)
    if isinstance(body, cst.SimpleStatementSuite) and line == tree.range(body).start.line:
        raise RepairError(f"{tree.path}:{line}: the statement shares its line with what guards it", "edit it by hand")
    return best


def unclear(tree: Tree, node: cst.CSTNode, what: str) -> RepairError:
    """What to raise where an edit would have to guess."""
    return RepairError(f"{tree.path}:{tree.range(node).start.line}: {what}", "make the change by hand")
