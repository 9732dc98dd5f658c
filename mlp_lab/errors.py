"""Errors that the user can correct, and the texts of other errors."""

from importlib.util import find_spec


class UserError(Exception):
    """Error that the user can correct.

    The message is one line that names the wrong value and the allowed values. The commands print
    it without a traceback and exit with status 1.
    """


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its class without a message."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def check_installed(package: str, module: str, extra: str, purpose: str) -> None:
    """Raise UserError if a package of an optional extra is not installed.

    Args:
        package: name of the package.
        module: name of its module.
        extra: name of the extra.
        purpose: what needs the package.
    """
    if find_spec(module) is None:
        raise UserError(f"{purpose}: needs {package}: pip install 'mlp-lab[{extra}]'")
