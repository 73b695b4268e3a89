"""`keelmark.risk`: every name exists, and stays what it is whatever has been imported."""

import subprocess
import sys

HEAVY = ("numpy", "polars", "numba", "matplotlib", "scipy")


def run(code: str) -> str:
    done = subprocess.run(  # noqa: S603 our own interpreter and text
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_every_name_exists_and_no_submodule_takes_its_place() -> None:
    code = (
        "import keelmark as km\n"
        "first = {name: getattr(km.risk, name) for name in km.risk.__all__}\n"
        "again = {name: getattr(km.risk, name) for name in km.risk.__all__}\n"
        "print(first == again and all(callable(value) for value in again.values()))\n"
    )
    assert run(code) == "True"


def test_naming_the_package_loads_nothing_heavy() -> None:
    code = "import sys, keelmark as km; km.risk, km.whatif; print(*sys.modules)"
    assert not set(HEAVY) & set(run(code).split())
