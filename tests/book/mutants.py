"""Broken versions of the tripwire index: the law must catch each of them.

A mutant is one line of the product replaced in a copy of the source. It runs in a process of its
own, with the law of `tests.book.law` and the directed cases of `tests.book.cases` against it.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WIRES = Path("keelmark/book/tripwires")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change of one line, and a word for it."""

    name: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        name="corner not checked",
        file="plan.py",
        old="        if bound >= 0.0:\n",
        new="        if bound > -1e300:\n            bound = max(bound, 0.0)\n",
    ),
    Mutant(
        name="farther wire kept",
        file="settle.py",
        old="            retrip(wire, trip, net)\n",
        new="            if (trip > net.wires[wire]['trip']) == (ladder % 2 == 0):\n"
        "                continue\n            retrip(wire, trip, net)\n",
    ),
    Mutant(
        name="reserve kept after unlink",
        file="settle.py",
        old='    if row["state"] == SUSPECT:\n        leave_roster(unit, net)\n    else:\n',
        new='    if row["state"] == SUSPECT:\n        leave_roster(unit, net)\n'
        "    elif state == HOT:\n        pass\n    else:\n",
    ),
    Mutant(
        name="no wire on the settle asset",
        file="plan.py",
        old='    if pool["factor"] < 0:\n        return\n    price',
        new='    if pool["factor"] < 0 or pool["first_term"] < pool["end_term"]:\n'
        "        return\n    price",
    ),
    Mutant(
        name="wrong side of the asset price",
        file="plan.py",
        old='    if pool["worst"] < 0.0:\n        trip',
        new='    if pool["here"] < 0.0:\n        trip',
    ),
    Mutant(
        name="missing wire at a jump",
        file="gather.py",
        old='                    term["far_wire"] = WANTED\n',
        new="                    pass\n",
    ),
    Mutant(
        name="floors inside the interval ignored",
        file="corner.py",
        old='            if term["near"] < x < term["far"]:\n',
        new='            if term["near"] < x < term["near"]:\n',
    ),
    Mutant(
        name="compare off by 1e-9",
        file="ladders.py",
        old='        if (side == 0 and price <= row["trip"])',
        new='        if (side == 0 and price <= row["trip"] * (1.0 - 1e-9))',
    ),
    Mutant(
        name="ties do not fire",
        file="ladders.py",
        old='        if (side == 0 and price <= row["trip"])',
        new='        if (side == 0 and price < row["trip"])',
    ),
    Mutant(
        name="sides taken from the local slope",
        file="gather.py",
        old="        fall = line * gain_beyond - level * need_beyond\n",
        new='        fall = line * term["turn"] - level * need\n',
    ),
    Mutant(
        name="debits are free",
        file="cash.py",
        old="    price = low if net.worst[row] >= 0.0 else high\n",
        new="    price = 0.0 * low\n",
    ),
    Mutant(
        name="debits ignore the sign of the least total",
        file="cash.py",
        old="    price = low if net.worst[row] >= 0.0 else high\n",
        new="    price = low\n",
    ),
    Mutant(
        name="half a batch is applied",
        file="advance.py",
        old="    for at in range(stream.offsets[snapshot], stream.offsets[snapshot + 1]):\n",
        new="    first = stream.offsets[snapshot]\n"
        "    for at in range(first, first + (stream.offsets[snapshot + 1] - first + 1) // 2):\n",
    ),
    Mutant(
        name="interest is not allowed for",
        file="plan.py",
        old="        bound_pool(pool, clock, level, tables, work)\n",
        new="        bound_pool(pool, 0.0, level, tables, work)\n",
    ),
    Mutant(
        name="deadline without a wire",
        file="plan.py",
        old="    return add_wire(unit, 2 * factor + 1, trip, now, net, work)\n",
        new="    return trip\n",
    ),
    Mutant(
        name="a unit without positions is empty",
        file="settle.py",
        old='        if tables.balances[at]["quanta"] < 0:\n            return False\n',
        new='        if tables.balances[at]["quanta"] < -(2**62):\n            return False\n',
    ),
    Mutant(
        name="index read as mark",
        file="gather.py",
        old='    if contract["margin_factor"] != contract["mark_factor"]:\n',
        new='    if contract["margin_factor"] < 0:\n',
    ),
    Mutant(
        name="hot units are not looked at",
        file="ladders.py",
        old="    if net.heads[hot] != 0:\n",
        new="    if net.heads[hot] < 0:\n",
    ),
)


def copy_with(mutant: Mutant, folder: Path) -> Path:
    """Return a source tree in `folder` with one line of it broken."""
    source = folder / "src"
    if source.exists():
        shutil.rmtree(source)
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    path = source / WIRES / mutant.file
    text = path.read_text("utf-8")
    if text.count(mutant.old) != 1:
        message = f"{mutant.name}: the line to break is {text.count(mutant.old)} times in {path}"
        raise LookupError(message)
    path.write_text(text.replace(mutant.old, mutant.new), "utf-8")
    return source


def caught_by(mutant: Mutant, folder: Path, seeds: int, ticks: int) -> dict[str, int]:
    """Run the law against a mutant; return how many misses it found, and of what."""
    source = copy_with(mutant, folder)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(source), str(ROOT)]),
        "NUMBA_CACHE_DIR": str(folder / "cache"),
    }
    command = [sys.executable, "-m", "tests.book.mutants", str(source), str(seeds), str(ticks)]
    done = subprocess.run(  # noqa: S603 our own interpreter and module
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return result


def hunt(source: str, seeds: int, ticks: int) -> dict[str, int]:
    """Run the directed cases and the law on the package in `source` until something is caught."""
    import keelmark  # noqa: PLC0415 which copy is imported is the point
    from tests.book import cases, law  # noqa: PLC0415

    if not str(keelmark.__file__).startswith(source):
        message = f"{keelmark.__file__} is imported, not the copy in {source}"
        raise LookupError(message)
    found = {"directed": cases.misses(), "random": 0, "account_ticks": 0}
    for seed in range(seeds):
        for number, (name, nature) in enumerate(law.NATURES.items()):
            settings = law.SETTINGS[(seed + number) % len(law.SETTINGS)]
            verdict = law.Drive(nature, settings, 100 * seed + number).run(ticks, audits=False)
            found["account_ticks"] += verdict.account_ticks
            found["random"] += verdict.misses
            if verdict.misses:
                found[f"in {name}"] = verdict.misses
                return found
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(hunt(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))) + "\n")
