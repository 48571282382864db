"""What the worker raises itself; all other exceptions are the libraries' own."""


class NotPossibleError(Exception):
    """This device cannot do what was asked, whatever the state of the stack."""


class CheckError(Exception):
    """The libraries raised nothing, but a check of ours did not hold."""


class EnoughError(BaseException):
    """Enough was seen of a script, which would go on; not what an `except Exception` of its own is for."""


class UnknownModelError(Exception):
    """What was named as a model is none.

    Args:
        message: What it is not.
        near: Names that it may have meant.
    """

    def __init__(self, message, near):
        super().__init__(message)
        self.near = near
