"""Kill a writer under load, many times, and print what it came to.

    python -m benchmarks.service.kills [KILLS] [postgresql://...]

Everything is checked while it runs: a broken word is an error, not a row.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.service.writer.kill_load import run


def main() -> None:
    """Run, and print one row a figure."""
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    journal = sys.argv[2] if len(sys.argv) > 2 else ""  # noqa: PLR2004 the second argument
    with TemporaryDirectory(prefix="km") as folder:
        kills = run(Path(folder), points, seed=7, journal=journal)
    for name, value in asdict(kills).items():
        print(f"{name:>14}  {value:,}")


if __name__ == "__main__":
    main()
