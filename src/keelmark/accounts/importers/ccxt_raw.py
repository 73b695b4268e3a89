"""What a venue itself answered, inside what ccxt made of it.

ccxt puts the venue's own answer into `info`: whole for a balance, row by row for positions and
orders. Where a reader of this package knows it, it is read instead: unified fields leave out marks,
contract sizes and margin modes, or guess them.
"""

from collections.abc import Iterator, Mapping, Sequence


def is_ccxt_rows(content: object, *keys: str) -> bool:
    """Whether content is a list of ccxt structures with these keys."""
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, Mapping) and {"info", "symbol", *keys} <= set(first)


def is_ccxt_balance(content: object) -> bool:
    """Whether content is what `fetch_balance` returns."""
    if not isinstance(content, Mapping):
        return False
    return {"info", "free", "used", "total"} <= set(content)


def raw_answers(content: object) -> Iterator[Sequence[object]]:
    """Return what may be the venue's own answers, in every envelope a venue uses."""
    if is_ccxt_balance(content) and isinstance(content, Mapping):
        yield [content["info"]]
    elif isinstance(content, list) and is_ccxt_rows(content):
        pairs = [_symbol_and_info(row) for row in content]
        linear = [info for symbol, info in pairs if not is_inverse(symbol)]
        inverse = [info for symbol, info in pairs if is_inverse(symbol)]
        every = [*linear, *inverse]
        yield [every]
        named = (("linear", linear), ("inverse", inverse))
        yield [{"result": {"list": infos, "category": c}} for c, infos in named if infos]
        yield [{"code": "0", "data": every}]
        yield [{"result": every}]


def _symbol_and_info(row: object) -> tuple[object, object]:
    """Return ccxt's symbol and the venue's own row; what is no table is left for the reader."""
    return (row.get("symbol"), row.get("info")) if isinstance(row, Mapping) else (None, row)


def is_inverse(symbol: object) -> bool:
    """Whether a unified symbol is one of an inverse contract: `BTC/USD:BTC`."""
    base, _, rest = str(symbol).partition("/")
    settle = rest.partition(":")[2].partition("-")[0]
    return bool(settle) and settle == base
