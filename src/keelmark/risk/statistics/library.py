"""The one door to scipy: loaded where it is needed, and named where it is missing."""

from importlib import import_module
from typing import Any

from keelmark.core.errors import MissingExtra


def scipy_module(name: str) -> Any:  # noqa: ANN401 a module without types
    """Return `scipy.<name>`.

    Raises:
        MissingExtra: scipy is not installed; names the install command.
    """
    try:
        return import_module(f"scipy.{name}")
    except ImportError as error:
        msg = "fits and distributions need scipy: `pip install 'keelmark[risk]'`"
        raise MissingExtra(msg) from error
