"""Which release answers."""

from importlib.metadata import PackageNotFoundError, version


def _version() -> str:
    try:
        return version("keelmark")
    except PackageNotFoundError:  # run from its sources, not installed
        return "0"


VERSION = _version()
