"""The one exception that is meant for the user's eyes."""


class UserError(Exception):
    """Something the user can mend, told in one line that names what is wrong and what is allowed.

    The commands print it without a traceback and exit with status 1.
    """
