"""Runs the published cases: rows of `cases/*.toml` through what users call.

A row gives what is known of a case (`id`, `what`, `source`, `provenance`, `tolerance`, `inferred`,
`note`, and `why` a figure of it is not exact) and one way to run it:

- `account`: an account document, read and checked as `keelmark check --json` does it; `rulebook`
  names a file of `rulebooks/` to be used instead of the venue's own;
- `call`: a public function, `module:name` below `keelmark`, with `arguments` converted to the
  types of its signature;
- `cannot`: why no document and no function can say it yet. A test keeps these at none.

`expect` maps paths into the result to the published figures: numbers as strings (`"24999/50"` is a
fraction), texts, true or false, or lists of these. A path goes through keys, attributes, and places
in a list, `*` for all of them; a position goes by its instrument, a price by its value. `result` is
a result that is a figure itself; `check.` leads into the Python object instead of the document.
Rows of one id are the parts of one case.
"""

import importlib
import inspect
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from keelmark.accounts.account import Account, read_account
from keelmark.accounts.check import check
from keelmark.accounts.check_document import check_document
from keelmark.core.numbers import exact
from keelmark.rulebooks import load_rulebook

HERE = Path(__file__).parent
PROVENANCE = (
    "published",
    "derived",
    "api_doc_sample",
    "live_payload",
    "third_party",
    "third_party_rewrite",
    "third_party_test",
)


class Row(msgspec.Struct, frozen=True, kw_only=True, eq=False, forbid_unknown_fields=True):
    """One way to run one case."""

    id: str
    what: str
    source: str
    provenance: str
    tolerance: Decimal
    expect: dict[str, Any]
    inferred: tuple[str, ...] = ()
    note: str = ""
    why: str = ""
    account: dict[str, Any] | None = None
    rulebook: str | None = None
    call: str | None = None
    arguments: dict[str, Any] = {}
    cannot: str = ""

    def __post_init__(self) -> None:
        ways = (self.account is not None) + (self.call is not None) + bool(self.cannot)
        if ways != 1:
            msg = (
                f"{self.id}: give it an `account`, a `call` or why it `cannot` be run, one of them"
            )
            raise ValueError(msg)
        if self.provenance not in PROVENANCE or not self.expect:
            msg = f"{self.id}: provenance {self.provenance!r}, {len(self.expect)} figures"
            raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One published figure beside ours."""

    path: str
    theirs: Fraction | str | bool
    ours: Fraction | str | bool | None
    digits: int | None
    tolerance: Fraction

    @property
    def residual(self) -> Fraction | None:
        """Ours less theirs; `None` where one of them is no number."""
        if isinstance(self.ours, Fraction) and isinstance(self.theirs, Fraction):
            return self.ours - self.theirs
        return None

    @property
    def is_exact(self) -> bool:
        """Whether ours is theirs, written with as many decimals as theirs is."""
        if self.residual is None or self.digits is None or not isinstance(self.ours, Fraction):
            return self.ours == self.theirs
        scale: int = 10**self.digits
        return abs(self.residual) * scale * 2 <= 1

    @property
    def holds(self) -> bool:
        """Whether it is exact or lies within the tolerance."""
        near = self.residual is not None and abs(self.residual) <= self.tolerance
        return near or self.ours == self.theirs


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A row and the figures it gave."""

    row: Row
    figures: tuple[Figure, ...]

    @property
    def is_exact(self) -> bool:
        """Whether every figure is."""
        return all(figure.is_exact for figure in self.figures)

    @property
    def off(self) -> list[Figure]:
        """Figures that are not the published ones."""
        return [figure for figure in self.figures if not figure.holds]


@lru_cache(maxsize=1)
def rows() -> tuple[Row, ...]:
    """Return every row of every file, file by file."""
    files = sorted((HERE / "cases").glob("*.toml"))
    return tuple(row for file in files for row in rows_of(file))


@lru_cache(maxsize=1)
def cases() -> dict[str, tuple[Row, ...]]:
    """Return the parts of every case by its id."""
    ids = dict.fromkeys(row.id for row in rows())
    return {case: tuple(row for row in rows() if row.id == case) for case in ids}


def rows_of(file: Path) -> tuple[Row, ...]:
    """Return the rows of one file."""
    content = tomllib.loads(file.read_text("utf-8"), parse_float=Decimal)
    return tuple(msgspec.convert(row, Row, strict=False) for row in content["case"])


@cache
def run(row: Row) -> Outcome:
    """Return what a row gives; nothing where it cannot be run."""
    if row.cannot:
        return Outcome(row=row, figures=())
    found = _checked(row) if row.call is None else {"result": called(row)}
    figures = tuple(
        figure
        for path, theirs in row.expect.items()
        for figure in _figures(path, theirs, at(found, path), Fraction(row.tolerance))
    )
    return Outcome(row=row, figures=figures)


def account_of(row: Row) -> Account:
    """Return the account of a row, under its own rulebook where it names one."""
    text = json.dumps(row.account, default=str)
    named = None if row.rulebook is None else HERE / "rulebooks" / row.rulebook
    rulebook = None if named is None else load_rulebook(str(named))
    return read_account(text, title=row.id, toml=False, rulebook=rulebook)


def _checked(row: Row) -> Any:  # noqa: ANN401 a document, or what is below it
    done = check(account_of(row))
    return {**check_document(done), "check": done}


def called(row: Row) -> Any:  # noqa: ANN401 whatever the function returns
    """Return what the function of a row returns for its arguments."""
    module, _, name = (row.call or "").partition(":")
    function = getattr(importlib.import_module(f"keelmark.{module}"), name)
    hints = get_type_hints(function)
    unknown = set(row.arguments) - set(inspect.signature(function).parameters)
    assert not unknown, f"{row.id}: {row.call} has no {sorted(unknown)}"
    return function(**{key: _argument(value, hints[key]) for key, value in row.arguments.items()})


def _argument(value: Any, hint: Any) -> Any:  # noqa: ANN401 of any type a signature names
    if get_origin(hint) is Iterable:
        hint = list.__class_getitem__(get_args(hint))
    return msgspec.convert(value, hint, strict=False, dec_hook=_fraction)


def _fraction(wanted: type, value: Any) -> Any:  # noqa: ANN401 msgspec's hook
    if wanted is Fraction:
        return Fraction(value)
    msg = f"{value!r} cannot be a {wanted.__name__}"
    raise NotImplementedError(msg)


def at(found: Any, path: str) -> Any:  # noqa: ANN401 any figure
    """Return the value at a path; results that are not figures themselves are named directly."""
    if isinstance(found, Mapping) and path.partition(".")[0] not in found and "result" in found:
        return at(found["result"], path)
    step, _, rest = path.partition(".")
    if step == "*":
        return [at(member, rest) for member in found]
    found = _inside(found, step)
    if rest:
        return at(found, rest)
    if isinstance(found, Mapping) and "status" in found:
        return found["value"]
    return found


def _inside(found: Any, step: str) -> Any:  # noqa: ANN401 any figure
    if isinstance(found, Mapping):
        return found[step]
    if hasattr(found, step):
        return getattr(found, step)
    members = list(found)
    if step.lstrip("-").isdigit():
        return members[int(step)]
    named = [member for member in members if step in _names(member)]
    assert len(named) == 1, f"{len(named)} members are named {step!r}"
    return named[0]


def _names(member: Any) -> set[Any]:  # noqa: ANN401 a table, or an object of the Python API
    if isinstance(member, Mapping):
        return {member.get("instrument"), member.get("unit"), member.get("number")}
    return {member.held.position.instrument}


def _figures(path: str, theirs: Any, ours: Any, tolerance: Fraction) -> Iterable[Figure]:  # noqa: ANN401
    if isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs), f"{path}: {len(ours)} figures for {len(theirs)}"
        for place, (left, right) in enumerate(zip(theirs, ours, strict=True)):
            yield from _figures(f"{path}[{place}]", left, right, tolerance)
        return
    number = _number(theirs)
    yield Figure(
        path=path,
        theirs=theirs if number is None else number,
        ours=ours if number is None or ours is None else _number(ours),
        digits=_decimals(theirs),
        tolerance=tolerance,
    )


def _number(value: Any) -> Fraction | None:  # noqa: ANN401 a figure
    if isinstance(value, bool) or value is None:
        return None
    try:
        return Fraction(value)
    except ValueError:
        return None


def _decimals(theirs: Any) -> int | None:  # noqa: ANN401 a figure
    """Return how many decimals a published figure is written with; fractions have no end."""
    try:
        exponent = Decimal(str(theirs)).as_tuple().exponent
    except InvalidOperation:
        return None
    return max(0, -exponent) if isinstance(exponent, int) else None


def shown(value: Fraction | str | bool | None, digits: int = 15) -> str:  # noqa: FBT001 a figure
    """Return a figure as text: whole numbers and short decimals as they are, others cut."""
    if not isinstance(value, Fraction):
        return str(value).lower() if isinstance(value, bool) else str(value)
    with exact():
        number = Decimal(value.numerator) / Decimal(value.denominator)
        if number:
            last = min(number.adjusted() - digits + 1, 0)
            number = number.quantize(Decimal(1).scaleb(last), rounding=ROUND_HALF_UP)
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
