"""Errors that the user can correct, and the texts of other errors."""


class UserError(Exception):
    """Error that the user can correct.

    The message is one line that names the wrong value and the allowed values. The commands print
    it without a traceback and exit with status 1.
    """


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its class without a message."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
