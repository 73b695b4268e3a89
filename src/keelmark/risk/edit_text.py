"""Edits in words: `close BTCUSDT=50%`, the grammar of the command line and of notebooks."""

from collections.abc import Callable
from decimal import Decimal

from keelmark.accounts.decode import decimal_of
from keelmark.accounts.document import MarginMode
from keelmark.core.errors import InvalidInput, nearest
from keelmark.core.numbers import ONE, exact
from keelmark.risk.edits import (
    Add,
    Change,
    Close,
    Deposit,
    Edit,
    MovePrice,
    Resize,
    SetLeverage,
    SetMarginMode,
    SetVenue,
    Transfer,
    Withdraw,
)

_PERCENT = Decimal(100)


def parse_edit(text: str) -> Edit:
    """Return the edit a text says, such as `deposit USDT=1000`.

    Raises:
        InvalidInput: The text says none; names the part that is wrong and an example.
    """
    kind, _, rest = text.strip().partition(" ")
    if kind not in FORMS:
        msg = f"edit {text!r}: no edit is called {kind!r}; {nearest(kind, FORMS)}"
        raise InvalidInput(msg)
    return edit_of(kind, rest.strip())


def edit_of(kind: str, text: str) -> Edit:
    """Return the edit of a kind; raises as `parse_edit`."""
    parse, example = FORMS[kind]
    try:
        return parse(text)
    except _Wrong as error:
        msg = f"{kind} {text!r}: {error}; write for example `{kind} {example}`"
        raise InvalidInput(msg) from None


class _Wrong(Exception):
    """A part of a text that cannot be read."""


def _sides(text: str) -> tuple[str, str]:
    name, sign, value = (part.strip() for part in text.partition("="))
    if not (name and sign and value):
        msg = "a name, `=` and a value are needed"
        raise _Wrong(msg)
    return name, value


def _number(text: str, *, positive: bool = False) -> Decimal:
    found = decimal_of(text.strip())
    if found is None:
        msg = f"{text!r} is no number"
        raise _Wrong(msg)
    if positive and found <= 0:
        msg = f"{text} must be above 0"
        raise _Wrong(msg)
    return found


def _percent(text: str) -> Decimal:
    with exact():
        return _number(text.strip().removesuffix("%")) / _PERCENT


def _add(text: str) -> Edit:
    name, value = _sides(text)
    size, _, price = value.partition("@")
    if not _number(size):
        msg = "a size of 0 changes nothing"
        raise _Wrong(msg)
    fill = _number(price, positive=True) if price else None
    return Add(leg=name, size=_number(size), price=fill)


def _close(text: str) -> Edit:
    if "=" not in text:
        if not text:
            msg = "the name of a leg is needed, or `all`"
            raise _Wrong(msg)
        return Close(leg=text)
    name, value = _sides(text)
    if not value.endswith("%"):
        return Close(leg=name, size=_number(value, positive=True))
    share = _percent(value)
    if not 0 < share <= ONE:
        msg = f"{value} must be above 0% and at most 100%"
        raise _Wrong(msg)
    return Close(leg=name, share=share)


def _resize(text: str) -> Edit:
    name, value = _sides(text)
    return Resize(leg=name, size=_number(value))


def _deposit(text: str) -> Edit:
    name, value = _sides(text)
    return Deposit(asset=name, amount=_number(value, positive=True))


def _withdraw(text: str) -> Edit:
    name, value = _sides(text)
    return Withdraw(asset=name, amount=_number(value, positive=True))


def _transfer(text: str) -> Edit:
    name, value = _sides(text)
    return Transfer(leg=name, amount=_number(value))


def _leverage(text: str) -> Edit:
    name, value = _sides(text)
    return SetLeverage(leg=name, leverage=_number(value.removesuffix("x"), positive=True))


def _mode(text: str) -> Edit:
    name, value = _sides(text)
    mode, _, margin = value.partition(":")
    modes = [known.value for known in MarginMode]
    if mode not in modes:
        msg = f"{mode!r} is no margin mode; {nearest(mode, modes)}"
        raise _Wrong(msg)
    given = _number(margin, positive=True) if margin else None
    if given is not None and mode == MarginMode.CROSS:
        msg = "a cross position has no margin of its own"
        raise _Wrong(msg)
    return SetMarginMode(leg=name, mode=MarginMode(mode), margin=given)


def _change(value: str) -> Change:
    if not value.endswith("%"):
        return Change(to=_number(value, positive=True))
    by = _percent(value)
    if by <= -ONE:
        msg = f"{value} leaves no positive price"
        raise _Wrong(msg)
    return Change(by=by)


def _price(text: str) -> Edit:
    name, value = _sides(text)
    return MovePrice(name=name, change=_change(value))


def _collateral_price(text: str) -> Edit:
    name, value = _sides(text)
    return MovePrice(name=name, change=_change(value), only_collateral=True)


def _venue(text: str) -> Edit:
    if not text.strip():
        msg = "the name of a rulebook is needed"
        raise _Wrong(msg)
    return SetVenue(reference=text.strip())


def _date(text: str) -> Edit:
    year, _, month = text.strip().partition("-")
    if not (len(year) == 4 and len(month) == 2 and (year + month).isdigit()):  # noqa: PLR2004 YYYY-MM
        msg = f"{text!r} is no month; write YYYY-MM"
        raise _Wrong(msg)
    return SetVenue(reference=f"@{text.strip()}")


FORMS: dict[str, tuple[Callable[[str], Edit], str]] = {
    "add": (_add, "BTCUSDT=-0.5"),
    "close": (_close, "BTCUSDT=50%"),
    "resize": (_resize, "BTCUSDT=1.5"),
    "deposit": (_deposit, "USDT=1000"),
    "withdraw": (_withdraw, "USDT=1000"),
    "transfer": (_transfer, "BTCUSDT=500"),
    "leverage": (_leverage, "BTCUSDT=10"),
    "mode": (_mode, "BTCUSDT=isolated"),
    "price": (_price, "ETH=-10%"),
    "collateral-price": (_collateral_price, "ETH=-10%"),
    "venue": (_venue, "generic@2025-10"),
    "date": (_date, "2025-10"),
}
"""How each kind is read, with an example of what follows its name."""


def edit_words(edit: Edit) -> str:  # noqa: C901, PLR0911 one sentence a kind
    """Return what an edit does, in words."""
    match edit:
        case Add(leg=leg, size=size, price=price):
            at = "" if price is None else f" at {price:,f}"
            return f"{'buy' if size > 0 else 'sell'} {abs(size):,f} {leg}{at}"
        case Close(leg=leg, share=share, size=size):
            if size is not None:
                return f"close {size:,f} of {leg}"
            return f"close {leg}" if share == ONE else f"close {_in_percent(share)} of {leg}"
        case Resize(leg=leg, size=size):
            return f"resize {leg} to {size:,f}"
        case Deposit(asset=asset, amount=amount):
            return f"deposit {amount:,f} {asset}"
        case Withdraw(asset=asset, amount=amount):
            return f"withdraw {amount:,f} {asset}"
        case Transfer(leg=leg, amount=amount):
            way = "into" if amount >= 0 else "out of"
            return f"transfer {abs(amount):,f} {way} {leg}"
        case SetLeverage(leg=leg, leverage=leverage):
            return f"leverage of {leg} {leverage:f}x"
        case SetMarginMode(leg=leg, mode=mode, margin=margin):
            return f"{leg} {mode.value}" + ("" if margin is None else f" with {margin:,f}")
        case MovePrice():
            return _move_words(edit)
        case SetVenue(reference=reference):
            return f"under {reference.removeprefix('@')}"


def _move_words(edit: MovePrice) -> str:
    what = f"{edit.name} as collateral" if edit.only_collateral else edit.name
    if edit.change.by is not None:
        return f"{what} {_in_percent(edit.change.by, signed=True)}"
    return f"{what} at {edit.change.to:,f}"


def _in_percent(share: Decimal, *, signed: bool = False) -> str:
    text = f"{(share * 100).normalize():{'+' if signed else ''}f}"
    return f"{text} %"
