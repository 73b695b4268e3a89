"""How long a first import and a first check take, in a new process each."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from keelmark.lab.bench.timing import Stopwatch
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.watched import require

ACCOUNT = """{"venue": "generic", "collateral": [{"asset": "USDT", "balance": "20000"}],
"positions": [{"instrument": "BTCUSDT", "size": "0.5", "entry_price": "100000",
"mark_price": "99000"}]}"""

EMPTY = "pass"
IMPORT = "import keelmark"
CHECK = "from keelmark.cli import main; main()"
HEALTHY = 0


def startup_rows(size: Size) -> list[Row]:
    """Start processes one after the other; files are in the system's cache after the first."""
    runs = size.times(15, 2)
    with TemporaryDirectory() as folder:
        account = Path(folder) / "account.json"
        account.write_text(ACCOUNT, encoding="utf-8")
        bare = _started(EMPTY, (), runs)
        imported = _started(IMPORT, (), runs)
        checked = _started(CHECK, ("check", str(account), "--json"), runs)
    note = f"a bare interpreter takes {1e3 * bare.median:.0f} ms of it"
    return [
        Row(
            name="import",
            what="`import keelmark` in a new process",
            value=1e3 * imported.median,
            unit="ms",
            bar=size.bar("<=", 150, units=None),
            timings=imported.timings(1e3),
            checked="exit code 0",
            note=note,
        ),
        Row(
            name="check",
            what="`keelmark check` of an account with one position, start to exit",
            value=1e3 * checked.median,
            unit="ms",
            bar=size.bar("<=", 300, units=None),
            timings=checked.timings(1e3),
            checked="exit code 0: healthy",
            note=note,
        ),
    ]


def _started(code: str, arguments: tuple[str, ...], runs: int) -> Stopwatch:
    """Run our own interpreter on a line of code."""
    watch = Stopwatch(cold=1)
    for _ in range(runs + 1):
        with watch:
            done = subprocess.run(  # noqa: S603 our own interpreter and text
                [sys.executable, "-c", code, *arguments],
                capture_output=True,
                text=True,
                check=False,
            )
        require(done.returncode == HEALTHY, f"{code} {arguments[:1]}: {done.stderr[-300:]}")
    return watch
