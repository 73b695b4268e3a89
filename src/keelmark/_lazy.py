"""Names of a package that load when they are first used, so that importing it costs nothing."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(
    package: str,
    homes: Mapping[str, str],
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of a package.

    Args:
        package: Its `__name__`.
        homes: The module of each public name; empty for a module of the package itself.
    """
    names = vars(sys.modules[package])

    def load(name: str) -> object:
        home = homes.get(name)
        if home is None:
            msg = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(msg)
        value: object = (
            getattr(import_module(home), name) if home else import_module(f"{package}.{name}")
        )
        names[name] = value
        return value

    def known() -> list[str]:
        return sorted({*names, *homes})

    return load, known
