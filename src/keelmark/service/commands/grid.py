"""From names and decimals to rows and whole numbers, exactly, or a refusal that names the field."""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import islice
from unicodedata import category, normalize

from keelmark.book.records import AMOUNT_LIMIT
from keelmark.core.errors import InvalidInput, KeelmarkError, nearest
from keelmark.engine.state import State
from keelmark.service.commands.fields import DECIMAL_PATTERN

LEGS = {"net": 0, "long": 1, "short": -1}
HUNDREDTH = Decimal("0.01")
LEVERAGE_MAX = 2**16 - 1
OFF_MARK_MAX = Decimal("0.05")
"""How far off the mark an account is closed without being forced, fraction of it."""
RATE = Decimal("1E-12")
USAGE = Decimal("0.000001")
NEAR_MAX = 5_000
"""Names up to which the nearest one is looked for."""
_DECIMAL = re.compile(DECIMAL_PATTERN)
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class WrongField(InvalidInput):
    """A field of a form that says nothing the venue knows, or nothing its grid can carry.

    Attributes:
        where: Path of the field.
        code: For machines.
    """

    def __init__(self, message: str, *, where: str, code: str = "invalid") -> None:
        self.where, self.code = where, code
        super().__init__(message)


class Grid:
    """Names and steps of a venue, as one state has them."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._universe = state.universe
        self._steps: dict[tuple[str, int], tuple[int, int]] = {}

    # --- names ----------------------------------------------------------------------------------

    def instrument(self, name: str, where: str = "instrument") -> int:
        """Return the row of an instrument."""
        return _told(where, "unknown_instrument", self._universe.instrument_row, name)

    def asset(self, name: str, where: str = "asset") -> int:
        """Return the row of an asset."""
        return _told(where, "unknown_asset", self._universe.asset_row, name)

    def settle(self, instrument: int) -> int:
        """Return the row of the asset an instrument settles in."""
        return int(self._universe.instruments[instrument]["settle"])

    def account(self, account: str | int | None, where: str = "account") -> int:
        """Return the number of an account."""
        if isinstance(account, str):
            found = self._state.names.get(account)
            if found is not None:
                return found
        elif account is not None and account < self._state.book.accounts_count:
            return account
        raise self._unknown_account(account, where)

    def unit(self, account: str | int | None, unit: int | str | None, where: str = "") -> int:
        """Return the unit that is meant: one by number or name, or the cross unit of an account."""
        prefix = f"{where}." if where else ""
        if unit is None:
            if account is None:
                msg = "an account or a unit is needed; name one"
                raise WrongField(msg, where=f"{prefix}account")
            number = self.account(account, f"{prefix}account")
            return self._state.book.units_of(number)[0]
        found = self._unit(unit, f"{prefix}unit")
        if account is not None:
            number = self.account(account, f"{prefix}account")
            if found not in self._state.book.units_of(number):
                msg = f"unit {unit} is none of account {account!r}; name one of its own, or none"
                raise WrongField(msg, where=f"{prefix}unit")
        return found

    def _unit(self, unit: int | str, where: str) -> int:
        book = self._state.book
        if isinstance(unit, str):
            found = book.in_house.get(unit)
            if found is None:
                msg = f"no unit {unit!r} of the venue's own; {nearest(unit, book.in_house)}"
                raise WrongField(msg, where=where, code="unknown_unit")
            return found
        if unit >= book.units_count:
            msg = f"unit {unit} was never opened; units are 0..{book.units_count - 1}"
            raise WrongField(msg, where=where, code="unknown_unit")
        return unit

    def _unknown_account(self, account: str | int | None, where: str) -> WrongField:
        count = self._state.book.accounts_count
        if account is None:
            return WrongField("an account is needed; name one", where=where)
        if isinstance(account, int):
            msg = f"no account {account}; accounts are 0..{count - 1}"
        else:
            near = nearest(account, islice(self._state.names, NEAR_MAX))
            msg = f"no account {account!r}; {near}"
            if account.isascii() and account.isdigit():
                msg += "; an account's number is sent as a JSON number, without quotes"
        return WrongField(msg, where=where, code="unknown_account")

    # --- amounts --------------------------------------------------------------------------------

    def quanta(self, asset: int, amount: str, where: str = "amount") -> int:
        """Return an amount as whole quanta of an asset."""
        return self._whole("quantum", asset, amount, where)

    def lots(self, instrument: int, size: str, where: str = "size") -> int:
        """Return a size as whole lots of an instrument."""
        return self._whole("lot", instrument, size, where)

    def ticks(self, instrument: int, price: str, where: str = "price") -> int:
        """Return a price as whole ticks of an instrument."""
        return self._whole("price unit", instrument, price, where)

    def require_near_mark(self, instrument: int, ticks: int, where: str) -> None:
        """Refuse a price that somebody may have mistyped: far off the mark, or without one."""
        symbol = self._universe.symbols[instrument]
        if not self._state.has_mark(instrument):
            msg = f"{symbol} has no mark to hold the price against; say `force` to close at it"
            raise WrongField(msg, where=where, code="off_mark")
        mark = self._state.ticks(instrument)
        if abs(ticks - mark) > OFF_MARK_MAX * mark:
            unit = self._step("price unit", instrument)
            msg = (
                f"{ticks * unit:f} is {abs(ticks - mark) / mark:.1%} off the mark of {symbol}, "
                f"{mark * unit:f}; mend it, or say `force` to close at it"
            )
            raise WrongField(msg, where=where, code="off_mark")

    def _whole(self, kind: str, row: int, text: str, where: str) -> int:
        step = self._steps.get((kind, row))
        if step is None:
            step = self._steps[kind, row] = _parts(self._step(kind, row))
        count, rest = _counted(text, step, where)
        if rest:
            name = self._universe.assets[row] if kind == "quantum" else self._universe.symbols[row]
            raise _off_grid(where, text, f"the {kind} of {name}", self._step(kind, row))
        return count

    def _step(self, kind: str, row: int) -> Decimal:
        if kind == "quantum":
            return self._universe.quantum(row)
        instrument = self._universe.instrument(row)
        return instrument.lot if kind == "lot" else instrument.price_unit


def rate(text: str, where: str = "rate") -> int:
    """Return a fraction in parts per trillion."""
    return _scaled(text, RATE, "the step of a rate", where)


def usage(text: str, where: str) -> int:
    """Return a usage in parts per million."""
    return _scaled(text, USAGE, "the step of a usage", where)


def leverage(text: str | None, where: str = "leverage") -> int:
    """Return a leverage in hundredths; 0 where none is given."""
    if text is None:
        return 0
    found = _scaled(text, HUNDREDTH, "the step of a leverage", where)
    if not 0 <= found <= LEVERAGE_MAX:
        msg = f"a leverage of {text}; it is 0 (its tier's maximum) to 655.35"
        raise WrongField(msg, where=where, code="out_of_scale")
    return found


def require_plain_name(name: str, where: str = "name") -> None:
    """Refuse a name that looks like another, or that cannot be read.

    Hidden and reordering characters, spaces at the ends, and texts that Unicode writes in another
    way (NFC) would let two accounts look alike.
    """
    wrong = [char for char in name if category(char) in _HIDDEN]
    if wrong or name != name.strip() or normalize("NFC", name) != name:
        msg = (
            f"the name {name!a} has hidden characters, spaces at its ends, or is not in Unicode's "
            "normal form (NFC); send it plain"
        )
        raise WrongField(msg, where=where)


def _told(where: str, code: str, find: Callable[[str], int], name: str) -> int:
    """Look a name up; say which field has a name that is not there."""
    try:
        return find(name)
    except KeelmarkError as error:
        raise WrongField(str(error), where=where, code=code) from None


def _scaled(text: str, step: Decimal, what: str, where: str) -> int:
    count, rest = _counted(text, _parts(step), where)
    if rest:
        raise _off_grid(where, text, what, step)
    return count


def _parts(step: Decimal) -> tuple[int, int]:
    """Return a step as (coefficient, exponent of ten)."""
    _, digits, exponent = step.as_tuple()
    return int("".join(map(str, digits))), int(exponent)


def _counted(text: str, step: tuple[int, int], where: str) -> tuple[int, int]:
    """Return how many whole steps a decimal is, and what is left over."""
    if not _DECIMAL.fullmatch(text):
        msg = f'{text[:40]!r} is no decimal; write it such as "100.5"'
        raise WrongField(msg, where=where)
    whole, _, fraction = text.partition(".")
    coefficient, exponent = step
    number, shift = int(whole + fraction), -exponent - len(fraction)
    if shift >= 0:
        count, rest = divmod(abs(number) * 10**shift, coefficient)
    else:
        count, rest = divmod(abs(number), coefficient * 10**-shift)
    if count > AMOUNT_LIMIT:
        msg = f"{text} is more than the book can carry; split it"
        raise WrongField(msg, where=where, code="out_of_scale")
    return (-count if number < 0 else count), rest


def _off_grid(where: str, text: str, what: str, step: Decimal) -> WrongField:
    msg = f"{text} is no whole multiple of {what}, {step:f}; round it yourself"
    return WrongField(msg, where=where, code="off_grid")


def columns(rows: Iterable[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Return rows as columns."""
    return tuple(zip(*rows, strict=True))
