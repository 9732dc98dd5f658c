"""The exception for errors that the user can correct."""


class UserError(Exception):
    """Error that the user can correct.

    The message is one line that names the wrong value and the allowed values. The commands print
    it without a traceback and exit with status 1.
    """
