"""Logs as they come: bytes of any encoding and size → lines without their dress → the exceptions that they tell.

Everything in a log is hostile: each step is linear in its length and keeps a bounded part of it.
"""

from sftdoctor.logs.decode import LINE_LIMIT, blocks, lines_of, read_blocks, undecorated
from sftdoctor.logs.parser import LogParser

__all__ = ["LINE_LIMIT", "LogParser", "blocks", "lines_of", "read_blocks", "undecorated"]
