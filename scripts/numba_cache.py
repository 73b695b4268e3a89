"""Name the folder of compiled kernels after the source they were compiled from.

Numba's cache watches the file a kernel is in, not the files its helpers and constants come from.
A folder per state of the source makes a stale kernel impossible. The Makefile runs this file,
tests/conftest.py calls `cache_folder`; both set `NUMBA_CACHE_DIR` before numba is imported.
"""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"


def cache_folder(source: Path = SOURCE) -> Path:
    """Return the cache folder for the kernels under `source` as they are now."""
    digest = hashlib.sha256()
    for path in sorted(compiled_sources(source)):
        digest.update(path.relative_to(source).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return ROOT / ".numba_cache" / digest.hexdigest()[:16]


def compiled_sources(source: Path) -> set[Path]:
    """Return the files that contain `njit` and every project file these import, however far."""
    pending = [path for path in source.rglob("*.py") if "njit" in path.read_text("utf-8")]
    found: set[Path] = set()
    while pending:
        path = pending.pop()
        if path not in found:
            found.add(path)
            pending.extend(imported_files(path, source))
    return found


def imported_files(path: Path, source: Path) -> Iterator[Path]:
    """Yield the project files that the import statements of `path` name."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:  # importing the file reports it better than we can
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            target = source.joinpath(*name.split("."))
            files = (target.with_suffix(".py"), target / "__init__.py")
            yield from (file for file in files if file.is_file())


if __name__ == "__main__":
    print(cache_folder())
