"""Shell scripts as data: the commands that they would run, word by word. Nothing is expanded by a shell."""

from sftdoctor.shell.launches import Launch, launches_of
from sftdoctor.shell.words import LIMIT, Command, ShellError, Word, commands_of

__all__ = ["LIMIT", "Command", "Launch", "ShellError", "Word", "commands_of", "launches_of"]
