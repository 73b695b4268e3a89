from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from keelmark.core.errors import InvalidDocument, InvalidInput
from keelmark.service.watch.config import WatchedAccount, load_config, read_config
from keelmark.service.watch.sources import FileSource, VenueSource, open_source

pytest.importorskip("ccxt")
HERE = Path()


def config(*accounts: Mapping[str, object], **more: object) -> object:
    return read_config({"accounts": list(accounts), **more}, title="watch.toml", folder=HERE)


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ({"name": "a"}, "name a venue to read it at, or a document"),
        ({"name": "a", "venue": "bybit", "document": "x.json"}, "name a venue to read it at"),
        ({"name": "a", "venue": "binance"}, "did you mean"),
        ({"name": "a", "document": "x", "stream": True}, "read at a venue"),
        ({"name": "a", "venue": "okx", "api_url": "http://example.org"}, "keys are sent to it"),
        ({"name": "a", "venue": "okx", "api_url": "ftp://127.0.0.1"}, "keys are sent to it"),
        ({"name": "a", "venue": "okx", "poll_s": 0}, "greater than or equal"),
        ({"name": "", "venue": "okx"}, "pattern"),
        ({"name": "a", "venue": "okx", "secret": "x"}, "secret"),
    ],
)
def test_an_account_that_cannot_be_watched_is_refused_by_name(
    account: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidDocument, match=said):
        config(account)


def test_names_and_levels_must_fit_together() -> None:
    one = {"name": "a", "document": "x"}
    with pytest.raises(InvalidDocument, match="occur twice"):
        config(one, one)
    with pytest.raises(InvalidDocument, match="amber begins nearer"):
        config(one, amber=0.1)
    with pytest.raises(InvalidDocument, match="at least 1 item"):
        config()


def test_a_file_is_read_with_its_paths_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "watch.toml"
    path.write_text('amber = 0.4\n[[accounts]]\nname = "a"\ndocument = "book.json"\n')
    found = load_config(path)
    assert found.accounts[0].document == str(tmp_path / "book.json")
    assert found.amber == 0.4
    assert found.accounts[0].stale_after_s == 60.0
    with pytest.raises(InvalidDocument, match="cannot be read"):
        load_config(tmp_path / "absent.toml")
    path.write_text("accounts = [")
    with pytest.raises(InvalidDocument):
        load_config(path)


def test_a_named_set_of_keys_is_never_replaced_by_that_of_its_venue() -> None:
    account = WatchedAccount(name="a", venue="binance-usdm", keys="binance-second")
    venues_own = {"KEELMARK_BINANCE_KEY": "k", "KEELMARK_BINANCE_SECRET": "s"}
    with pytest.raises(InvalidInput, match="KEELMARK_BINANCE_SECOND_KEY"):
        open_source(account, environment=venues_own)
    own = {"KEELMARK_BINANCE_SECOND_KEY": "k2", "KEELMARK_BINANCE_SECOND_SECRET": "s2"}
    found = open_source(account, environment=venues_own | own)
    assert isinstance(found, VenueSource)
    assert found.keys.values == {"KEY": "k2", "SECRET": "s2"}
    assert "s2" not in repr(found.keys)


def test_a_document_is_read_from_its_file() -> None:
    found = open_source(WatchedAccount(name="a", document="book.json"), environment={})
    assert found == FileSource(Path("book.json"))


def test_another_address_takes_the_place_of_every_one_of_the_venues() -> None:
    account = WatchedAccount(name="a", venue="okx", api_url="http://127.0.0.1:9000/")
    keys = {f"KEELMARK_OKX_{name}": "x" for name in ("KEY", "SECRET", "PASSWORD")}
    found = open_source(account, environment=keys)
    assert isinstance(found, VenueSource)
    urls = found.exchange.urls["api"]  # type: ignore[attr-defined]
    assert set(addresses(urls)) == {"127.0.0.1:9000"}


def addresses(urls: object) -> Iterator[str]:
    """Yield host and port of every address in ccxt's table."""
    if isinstance(urls, Mapping):
        for part in urls.values():
            yield from addresses(part)
    elif isinstance(urls, str):
        yield urls.split("/")[2]
