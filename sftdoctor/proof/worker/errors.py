"""What the worker raises itself; all other exceptions are the libraries' own."""


class NotPossibleError(Exception):
    """This device cannot do what was asked, whatever the state of the stack."""


class CheckError(Exception):
    """The libraries raised nothing, but a check of ours did not hold."""
