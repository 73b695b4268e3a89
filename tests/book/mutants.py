"""Broken versions of the tripwire index: the law must catch each of them.

A mutant is a line or two of the product replaced in a copy of the source. It runs in a process of
its own, with the law of `tests.book.law` and the cases of `tests.book.cases` against it.
"""

import itertools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WIRES = Path("keelmark/book/tripwires")


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One place of one file, and what stands there instead."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A broken version and a name for what is wrong with it."""

    name: str
    edits: tuple[Edit, ...]


def mutant(name: str, *edits: tuple[str, str, str]) -> Mutant:
    """Return a mutant from (file, old, new)."""
    return Mutant(name=name, edits=tuple(Edit(file=f, old=o, new=n) for f, o, n in edits))


MUTANTS = (
    mutant(
        "corner not checked",
        (
            "plan.py",
            "        if bound >= 0.0:\n",
            "        if bound > -1e300:\n            bound = max(bound, 0.0)\n",
        ),
    ),
    mutant(
        "farther wire kept",
        (
            "settle.py",
            "            if is_linked_in(wire,",
            (
                "            old = net.wires[wire]\n"
                "            same = old['ladder'] == plan['ladder'] and old['trip'] < np.inf\n"
                "            down = plan['ladder'] % 2 == 0\n"
                "            if same and (plan['trip'] > old['trip']) == down:\n"
                "                continue\n"
                "            if is_linked_in(wire,"
            ),
        ),
    ),
    mutant(
        "a reserve without wires is spent",
        (
            "cash.py",
            'if watch["state"] == WIRED:',
            'if watch["state"] == WIRED or watch["state"] == 4:',
        ),
    ),
    mutant(
        "no wire on the settle asset",
        (
            "plan.py",
            '    if pool["factor"] < 0:\n        return\n    price',
            (
                '    if pool["factor"] < 0 or pool["first_term"] < pool["end_term"]:\n'
                "        return\n    price"
            ),
        ),
    ),
    mutant(
        "side of the asset price by the present total",
        ("plan.py", '    if pool["worst"] < 0.0:\n', '    if pool["here"] < 0.0:\n'),
        (
            "corner.py",
            'pool["low"] if pool["worst"] >= 0.0 else pool["high"]',
            'pool["low"] if pool["here"] >= 0.0 else pool["high"]',
        ),
    ),
    mutant(
        "jumps ignored",
        ("gather.py", '        if term["jumps"]:\n', '        if term["jumps"] < 0:\n'),
        ("corner.py", '    if term["jumps"]:\n', '    if term["jumps"] < 0:\n'),
    ),
    mutant(
        "floors inside the interval ignored",
        (
            "corner.py",
            '            if term["near"] < x < term["far"]:\n',
            '            if term["near"] < x < term["near"]:\n',
        ),
    ),
    mutant(
        "compare off by 1e-9",
        (
            "ladders.py",
            'if (side == 0 and price <= row["trip"])',
            'if (side == 0 and price <= row["trip"] * (1.0 - 1e-9))',
        ),
    ),
    mutant(
        "compare of the straight pass off by 1e-9",
        (
            "ladders.py",
            '        elif price <= row["trip"] and',
            '        elif price <= row["trip"] * (1.0 - 1e-9) and',
        ),
    ),
    mutant(
        "the local slope decides the sides",
        (
            "gather.py",
            "        fall = line * gain_beyond - level * need_beyond\n",
            '        fall = line * term["turn"] / term["x"] - level * need / term["x"]\n',
        ),
    ),
    mutant(
        "debits are free",
        (
            "cash.py",
            "    price = low if net.worst[row] >= 0.0 else high\n",
            "    price = 0.0 * low\n",
        ),
    ),
    mutant(
        "debits ignore the sign of the least total",
        ("cash.py", "    price = low if net.worst[row] >= 0.0 else high\n", "    price = low\n"),
    ),
    mutant(
        "half a batch is applied",
        (
            "advance.py",
            "    for at in range(stream.offsets[snapshot], stream.offsets[snapshot + 1]):\n",
            (
                "    first = stream.offsets[snapshot]\n"
                "    last = stream.offsets[snapshot + 1]\n"
                "    for at in range(first, first + (last - first + 1) // 2):\n"
            ),
        ),
    ),
    mutant(
        "interest is not allowed for",
        (
            "plan.py",
            "        bound_pool(pool, clock, level, tables, work)\n",
            "        bound_pool(pool, 0.0, level, tables, work)\n",
        ),
    ),
    mutant(
        "a deadline without a wire",
        (
            "plan.py",
            "    return add_wire(unit, 2 * factor + 1, trip, now, net, work)\n",
            "    return trip\n",
        ),
    ),
    mutant(
        "a unit without positions is empty",
        (
            "settle.py",
            '        if tables.balances[at]["quanta"] < 0:\n            return False\n',
            '        if tables.balances[at]["quanta"] < -(2**62):\n            return False\n',
        ),
    ),
    mutant(
        "the index is read as the mark",
        (
            "gather.py",
            '    if contract["margin_factor"] != contract["mark_factor"]:\n',
            '    if contract["margin_factor"] < 0:\n',
        ),
    ),
    mutant(
        "hot units are not looked at",
        ("ladders.py", "    if net.heads[hot] != 0:\n", "    if net.heads[hot] < 0:\n"),
        (
            "ladders.py",
            'row["trip"] < np.inf or price != net',
            'row["trip"] < np.inf and price != net',
        ),
    ),
)


def copy_with(mutant: Mutant, folder: Path) -> Path:
    """Return a source tree in `folder` with one line of it broken."""
    source = folder / "src"
    for left in (source, folder / "cache"):  # kernels of an earlier mutant are not seen as stale
        shutil.rmtree(left, ignore_errors=True)
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    for edit in mutant.edits:
        path = source / WIRES / edit.file
        text = path.read_text("utf-8")
        if text.count(edit.old) != 1:
            message = f"{mutant.name}: {text.count(edit.old)} places to break in {edit.file}, not 1"
            raise LookupError(message)
        path.write_text(text.replace(edit.old, edit.new), "utf-8")
    return source


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How hard a mutant is looked for.

    Attributes:
        units: In each random world.
        ticks: Of each random world.
        is_compiled: Whether the mutant's kernels are compiled, which takes longer than most of
            the search: interpreted, they are the same lines.
        is_brief: Whether the longer directed cases are left out.
    """

    units: int
    ticks: int
    is_compiled: bool = False
    is_brief: bool = False


def caught_by(mutant: Mutant, folder: Path, effort: Effort) -> str:
    """Run the law against a mutant; return what caught it, nothing if nothing did."""
    source = copy_with(mutant, folder)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(source), str(ROOT)]),
        "NUMBA_CACHE_DIR": str(folder / "cache"),
        "NUMBA_DISABLE_JIT": "0" if effort.is_compiled else "1",
    }
    numbers = (effort.units, effort.ticks, int(effort.is_brief))
    command = [sys.executable, "-m", "tests.book.mutants", str(source), *map(str, numbers)]
    done = subprocess.run(  # noqa: S603 our own interpreter and module
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


def hunt(source: str, units: int, ticks: int, is_brief: int) -> str:
    """Hold the package in `source` to the law until it breaks; return where it does."""
    import keelmark  # noqa: PLC0415 which copy is imported is the point
    from tests.book import cases, law  # noqa: PLC0415

    if not str(keelmark.__file__).startswith(source):
        message = f"{keelmark.__file__} is imported, not the copy in {source}"
        raise LookupError(message)
    directed = sorted(
        itertools.product(cases.all_cases(), cases.SETTINGS), key=lambda pair: cases.steps(pair[0])
    )
    brief = len(directed) // 2
    for case, settings in directed[:brief]:
        if cases.travel(case, settings).misses:
            return f"directed: {case.name}"
    for number, (name, nature) in enumerate(law.NATURES.items()):
        world = replace(nature, units=units)
        drive = law.Drive(world, law.SETTINGS[number % len(law.SETTINGS)], number)
        if drive.run(ticks, audits=False).misses:
            return f"random: {name}"
    for case, settings in () if is_brief else directed[brief:]:
        if cases.travel(case, settings).misses:
            return f"directed: {case.name}"
    return ""


if __name__ == "__main__":
    sys.stdout.write(hunt(sys.argv[1], *map(int, sys.argv[2:])) + "\n")
