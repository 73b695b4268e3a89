"""Accounts read live: read-only calls, keys in no output, every failure with what to do."""

import copy
import json
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from keelmark.accounts import check
from keelmark.accounts import fetch as live
from keelmark.accounts.credentials import Credentials, find_credentials, names_of, system_keyring
from keelmark.accounts.fetch import FetchedAccount, fetch_account, open_exchange, save_answers
from keelmark.accounts.fetch_plans import PLANS
from keelmark.accounts.importers import Payload, import_account, payload_kinds
from keelmark.cli.fetch import fetch
from keelmark.core.errors import InvalidInput, MissingExtra, VenueUnavailable
from tests.accounts.importers.answers import bybit
from tests.accounts.importers.other_answers import okx
from tests.accounts.live.venue_answers import ANSWERS, answer_to

ccxt = pytest.importorskip("ccxt")
SECRETS = {"KEY": "k-4f1c9e77aa", "SECRET": "s-0b5d2266cc", "PASSWORD": "p-91aa4477ee"}
WALLET = "0x92ae000000000000000000000000000000000086a8"
KEYS = Credentials(values={**SECRETS, "WALLET": WALLET})
Answer = Callable[[str, str, Mapping[str, Any]], Any]


class Recorder:
    """An exchange that answers from memory and remembers what it was asked."""

    def __init__(self, venue: str, answer: Answer = answer_to) -> None:
        self.venue = venue
        self.answer = answer
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, method: str) -> Callable[[dict[str, Any]], Any]:
        if method not in ANSWERS[self.venue]:
            raise AttributeError(method)

        def ask(params: dict[str, Any]) -> Any:  # noqa: ANN401 any JSON
            self.asked.append((method, params))
            return copy.deepcopy(self.answer(self.venue, method, params))

        return ask


def fetched(venue: str, answer: Answer = answer_to) -> FetchedAccount:
    return fetch_account(venue, exchange=Recorder(venue, answer), credentials=KEYS)


def failing(error: Exception, method: str) -> Answer:
    """Return answers of which one is an error."""

    def answer(venue: str, asked: str, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 any JSON
        if asked == method:
            raise error
        return answer_to(venue, asked, params)

    return answer


# --- what is read -------------------------------------------------------------------------------


@pytest.mark.parametrize("venue", PLANS)
def test_every_venue_gives_a_whole_account_document(venue: str) -> None:
    document = fetched(venue).imported.document
    assert document["positions"]
    assert "unknown" not in document


@pytest.mark.parametrize("venue", PLANS)
def test_every_account_read_can_be_checked_by_the_venues_rulebook(venue: str) -> None:
    found = check(fetched(venue).imported.account())
    unknown = {unit.unit.unit_id: unit.reason for unit in found.units if unit.report is None}
    lacking = ["isolated:ETHUSD_260626"] if venue == "binance-coinm" else []  # has no bracket
    assert list(unknown) == lacking, unknown


@pytest.mark.parametrize("venue", PLANS)
def test_only_calls_that_read_are_made(venue: str) -> None:
    exchange = Recorder(venue)
    fetch_account(venue, exchange=exchange, credentials=KEYS)
    assert exchange.asked
    for method, params in exchange.asked:
        if method == "publicPostInfo":  # Hyperliquid answers questions by POST; orders go elsewhere
            assert params["type"] in ANSWERS["hyperliquid"]["publicPostInfo"]
        else:
            assert "Get" in method
        assert not {"Post", "Put", "Delete", "Patch"} & {method} - {"publicPostInfo"}
    assert {method for method, _ in exchange.asked} == set(ANSWERS[venue])


@pytest.mark.parametrize("venue", PLANS)
def test_every_call_of_a_plan_exists_in_ccxt_and_has_an_importer(venue: str) -> None:
    plan = PLANS[venue]
    exchange = open_exchange(plan, KEYS)
    aliases = {kind.alias for kind in payload_kinds()}
    for call in plan.calls:
        assert callable(getattr(exchange, call.method, None)), call.method
        assert call.kind in aliases
        assert call.method == "publicPostInfo" or "Get" in call.method


def test_answers_kept_can_be_imported_again(tmp_path: Path) -> None:
    answers = fetched("okx").answers
    save_answers(answers, tmp_path / "raw")
    files = sorted((tmp_path / "raw").iterdir())
    assert files[0].name == "01-okx-balance.json"
    again = [
        Payload(title=a.title, content=json.loads(f.read_text()), kind=a.kind)
        for a, f in zip(answers, files, strict=True)
    ]
    assert import_account(again).document == import_account(answers).document
    with pytest.raises(FileExistsError):
        save_answers(answers, tmp_path / "raw")


def test_pages_are_put_together() -> None:
    def paged(venue: str, method: str, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 any JSON
        answer = copy.deepcopy(answer_to(venue, method, params))
        if method == "privateGetV5PositionList" and params.get("settleCoin") == "USDT":
            if "cursor" not in params:
                answer["result"]["nextPageCursor"] = "second"
            else:
                (row,) = (r for r in answer["result"]["list"] if r["size"] != "0")
                answer["result"]["list"] = [{**row, "symbol": "BTCUSDT", "markPrice": "61000"}]
        return answer

    positions = fetched("bybit", paged).imported.document["positions"]
    assert isinstance(positions, list)
    assert [p["instrument"] for p in positions if isinstance(p, dict)] == ["ETHUSDT", "BTCUSDT"]


def test_okx_orders_go_on_after_a_full_page() -> None:
    def paged(venue: str, method: str, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 any JSON
        if method != "privateGetTradeOrdersPending":
            return answer_to(venue, method, params)
        first, _ = answer_to(venue, method, params)["data"]
        count = 100 if "after" not in params else 3
        begin = 0 if count == 100 else 100
        return okx(*({**first, "ordId": str(begin + n)} for n in range(count)))

    orders = fetched("okx", paged).imported.document["orders"]
    assert isinstance(orders, list)
    assert len(orders) == 103


def test_pages_without_end_are_refused() -> None:
    def endless(venue: str, method: str, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 any JSON
        if method != "privateGetV5OrderRealtime":
            return answer_to(venue, method, params)
        return bybit([{"orderId": "1"}], nextPageCursor="more")

    with pytest.raises(VenueUnavailable, match="bybit:orders has more than 100 pages"):
        fetched("bybit", endless)


def test_a_manual_hyperliquid_account_is_not_asked_about_other_dexes() -> None:
    def manual(venue: str, method: str, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 any JSON
        is_mode = params.get("type") == "userAbstraction"
        return '"disabled"' if is_mode else answer_to(venue, method, params)

    document = fetched("hyperliquid", manual).imported.document
    assert document["venue"] == "hyperliquid"
    assert "perpetuals of builders (HIP-3) keep margin apart and are not read" in str(
        document["notes"]
    )


def test_positions_on_other_dexes_of_a_unified_account_are_read() -> None:
    def builders(venue: str, method: str, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 any JSON
        answer = copy.deepcopy(answer_to(venue, method, params))
        if params.get("dex") == "xyz":
            held = answer_to(venue, method, {"type": "clearinghouseState"})["assetPositions"][0]
            position = {**held["position"], "coin": "xyz:NVDA", "liquidationPx": None}
            answer["assetPositions"] = [{**held, "position": position}]
        return answer

    document = fetched("hyperliquid", builders).imported.document
    assert "xyz:NVDA" in str(document["positions"])


def test_a_call_that_is_not_needed_may_fail() -> None:
    method = "fapiPrivateGetLeverageBracket"
    error = ccxt.PermissionDenied("binanceusdm no")
    document = fetched("binance-usdm", failing(error, method)).imported.document
    assert "binance-usdm:brackets could not be read" in str(document["notes"])


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ccxt.AuthenticationError("bad"), "check the key, its secret and its password"),
        (ccxt.PermissionDenied("bad"), "let the key read futures accounts"),
        (ccxt.RateLimitExceeded("bad"), "wait a minute"),
        (ccxt.InvalidNonce("bad"), "set this machine's clock"),
        (ccxt.RequestTimeout("bad"), "took too long"),
        (ccxt.NetworkError("bad"), "check the connection"),
        (ccxt.ExchangeNotAvailable("bad"), "try later"),
        (ccxt.ExchangeError("bad"), "read what the venue says"),
        (AttributeError("bad"), "upgrade ccxt"),
        (ZeroDivisionError("bad"), "report it"),
    ],
)
def test_every_failure_says_what_to_do(error: Exception, advice: str) -> None:
    with pytest.raises(VenueUnavailable) as caught:
        fetched("okx", failing(error, "privateGetAccountPositions"))
    text = str(caught.value)
    assert text.startswith(
        f"okx: okx:positions (privateGetAccountPositions): {type(error).__name__}"
    )
    assert advice in text


def test_an_answer_that_is_an_error_is_repeated() -> None:
    def refusing(venue: str, method: str, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 any JSON
        if method == "privateGetGetPositions":
            return {"jsonrpc": "2.0", "error": {"code": 13009, "message": "unauthorized"}}
        return answer_to(venue, method, params)

    with pytest.raises(InvalidInput, match=r"deribit:positions: the venue answered .* 13009"):
        fetched("deribit", refusing)


def test_an_unknown_venue_is_answered_with_the_nearest() -> None:
    with pytest.raises(InvalidInput, match="did you mean 'bybit'"):
        fetch_account("bybitt", credentials=KEYS)


def test_without_ccxt_the_install_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(live, "import_module", absent)
    with pytest.raises(MissingExtra, match=r"pip install 'keelmark\[ccxt\]'"):
        fetch_account("okx", credentials=KEYS)


# --- keys ---------------------------------------------------------------------------------------


def test_keys_come_from_the_environment_of_the_venue_or_its_family() -> None:
    assert names_of("binance-usdm", "KEY") == ("KEELMARK_BINANCE_USDM_KEY", "KEELMARK_BINANCE_KEY")
    environment = {"KEELMARK_BINANCE_KEY": "family", "KEELMARK_BINANCE_USDM_SECRET": " own "}
    found = find_credentials("binance-usdm", ("KEY", "SECRET"), environment=environment)
    assert found.values == {"KEY": "family", "SECRET": "own"}


def test_keys_come_from_the_keyring_where_the_environment_has_none() -> None:
    class Kept:
        def get_password(self, service_name: str, username: str) -> str | None:
            assert service_name == "keelmark"
            return {"okx key": "kept"}.get(username)

    found = find_credentials("okx", ("KEY",), environment={}, keyring=Kept())
    assert found.values == {"KEY": "kept"}


def test_a_keyring_that_fails_has_nothing() -> None:
    class Locked:
        def get_password(self, service_name: str, username: str) -> str | None:
            raise RuntimeError(service_name + username)

    with pytest.raises(InvalidInput) as caught:
        find_credentials("okx", ("KEY", "PASSWORD"), environment={}, keyring=Locked())
    text = str(caught.value)
    assert "no keys to read okx with; a read-only key is needed: set KEELMARK_OKX_KEY" in text
    assert '`keyring set keelmark "okx password"`' in text
    assert system_keyring() is not None


def test_an_address_is_asked_for_as_one() -> None:
    with pytest.raises(InvalidInput, match="its address is needed: set KEELMARK_DYDX_WALLET"):
        find_credentials("dydx", ("WALLET",), environment={})


def without_secrets(text: str) -> bool:
    return not any(secret in text for secret in SECRETS.values())


def test_printing_credentials_shows_no_key() -> None:
    assert without_secrets(f"{KEYS!r} {KEYS}")


def test_no_error_and_no_traceback_carries_a_key() -> None:
    told = " ".join(SECRETS.values())
    error = ccxt.AuthenticationError(
        f"okx GET https://www.okx.com/api/v5/account/balance?sign={told}&x=1 {told}"
    )
    with pytest.raises(VenueUnavailable) as caught:
        fetched("okx", failing(error, "privateGetAccountBalance"))
    shown = "".join(traceback.format_exception(caught.value))
    assert without_secrets(shown)
    assert "sign=" not in shown
    assert "***" in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def live_okx(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """The command with keys in its environment and a venue in memory."""
    recorder = Recorder("okx")
    for name, value in SECRETS.items():
        monkeypatch.setenv(f"KEELMARK_OKX_{name}", value)
    monkeypatch.setattr(live, "open_exchange", lambda *_: recorder)
    return recorder


@pytest.mark.usefixtures("live_okx")
def test_the_command_writes_a_document_and_no_key_anywhere(tmp_path: Path) -> None:
    out, raw = tmp_path / "account.json", tmp_path / "raw"
    result = CliRunner().invoke(fetch, ["okx", "--out", str(out), "--raw", str(raw)])
    assert result.exit_code == 0, result.output
    assert "read okx:balance" in result.output
    assert f"next: `keelmark check {out}`" in result.output
    assert json.loads(out.read_text())["venue"] == "okx-multi"
    written = "".join(path.read_text() for path in (out, *raw.iterdir()))
    assert without_secrets(written + result.output)


def test_a_failing_venue_shows_no_key(live_okx: Recorder, tmp_path: Path) -> None:
    error = ccxt.NetworkError(f"okx {SECRETS['SECRET']}")
    live_okx.answer = failing(error, "privateGetAccountBalance")
    result = CliRunner().invoke(fetch, ["okx", "--out", str(tmp_path / "a.json")])
    assert isinstance(result.exception, VenueUnavailable)
    shown = "".join(traceback.format_exception(result.exception)) + result.output
    assert without_secrets(shown)
    assert not (tmp_path / "a.json").exists()


def test_nothing_is_written_over(live_okx: Recorder, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("mine")
    result = CliRunner().invoke(fetch, ["okx", "--out", str(tmp_path / "a.json")])
    assert "exists already" in str(result.exception)
    args = ["okx", "--out", str(tmp_path / "b.json"), "--raw", str(tmp_path)]
    assert "is not an empty folder" in str(CliRunner().invoke(fetch, args).exception)
    assert live_okx.asked == []


def test_the_command_lists_what_it_can_read_and_needs() -> None:
    output = CliRunner().invoke(fetch, ["--venues"]).output
    assert "okx              key, secret, password" in output
    assert "dydx             wallet" in output
    assert "name the venue and the document" in CliRunner().invoke(fetch, ["okx"]).output


def test_no_option_takes_a_key() -> None:
    names = {name for param in fetch.params for name in (param.name, *param.opts) if name}
    assert not [n for n in names if any(w in n for w in ("key", "secret", "password", "token"))]
