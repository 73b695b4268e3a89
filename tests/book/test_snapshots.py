import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.book import digest as digests
from keelmark.book import snapshots
from keelmark.book.book import LIQUIDITY, Book, Capacity, InHouse
from keelmark.book.digest import digest
from keelmark.book.kernels.canonical import canonical_balances_kernel, canonical_positions_kernel
from keelmark.book.kernels.jit import plain
from keelmark.book.parameters import Parameters
from keelmark.book.postings import Fill, deposit, fill, withdraw
from keelmark.book.records import INSTRUMENT
from keelmark.book.snapshots import load_snapshot, write_snapshot
from keelmark.core.codes import Leg, UnitStatus
from keelmark.core.errors import UnreadableData
from tests.book.model import new_book

ALICE = 5


def opened(trades: list[tuple[int, Leg, int]]) -> Book:
    book = new_book(Capacity(units=1, positions=1, balances=1))
    book.open_accounts(2)
    for instrument, leg, lots in trades:
        trade = Fill(
            unit=ALICE,
            counterparty=LIQUIDITY,
            instrument=instrument,
            lots=lots,
            value=10 * lots,
            leg=leg,
        )
        fill(book, trade)
    return book


LEGS = [(0, Leg.LONG, 3), (0, Leg.SHORT, -2), (1, Leg.NET, 5), (2, Leg.NET, -7), (3, Leg.LONG, 1)]


@given(order=st.permutations(LEGS), extra=st.integers(0, 3))
def test_the_digest_does_not_see_the_order_of_rows_or_the_layout_of_blocks(
    order: list[tuple[int, Leg, int]],
    extra: int,
) -> None:
    book = opened(order)
    for asset in (0, 1)[: extra % 2 + 1]:
        deposit(book, ALICE + 1, asset, 5)
        withdraw(book, ALICE + 1, asset, 5)
    assert digest(book) == digest(opened(LEGS))


def test_the_digest_sees_every_fact_of_the_state() -> None:
    base = digest(opened(LEGS))
    other = opened(LEGS)
    other.set_leverage(ALICE, 1, 500)
    found = {base, digest(other)}
    other = opened(LEGS)
    other.set_status(ALICE, UnitStatus.IN_LIQUIDATION)
    found.add(digest(other))
    other = opened(LEGS)
    other.open_unit(1)
    found.add(digest(other))
    other = opened(LEGS)
    other.vault[0] += 1
    found.add(digest(other))
    other = opened(LEGS)
    deposit(other, ALICE, 0, 1)
    found.add(digest(other))
    other = opened(LEGS)
    other.positions.rows["cost"][other.position_row(ALICE, 1)] += 1
    found.add(digest(other))
    found.add(digest(opened(LEGS[:-1])))
    found.add(digest(Book(other.parameters, in_house=InHouse(funds=("a",)))))
    assert len(found) == 9


def test_the_python_behind_the_digest_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    book = opened([*LEGS[3:], *LEGS[:3]])
    expected = digest(book)
    for kernel in (canonical_positions_kernel, canonical_balances_kernel):
        monkeypatch.setattr(digests, kernel.__name__, plain(kernel))
    assert digest(book) == expected


def test_a_digest_in_chunks_covers_every_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "CHUNK", 2)
    seen = digest(opened(LEGS))
    other = opened(LEGS)
    deposit(other, ALICE + 1, 1, 1)
    withdraw(other, ALICE, 1, 1)
    assert digest(other) != seen


def test_a_snapshot_brings_back_the_book_and_what_its_writer_added(tmp_path: Path) -> None:
    book, path = opened(LEGS), tmp_path / "book"
    book.open_unit(0)
    ticks = np.arange(4)
    written = write_snapshot(book, path, columns={"mark_ticks": ticks}, notes={"position": 12})
    loaded = load_snapshot(path, book.parameters)
    assert digest(loaded.book) == written == digest(book)
    assert loaded.columns["mark_ticks"].tolist() == ticks.tolist()
    assert loaded.notes == {"position": 12}
    assert loaded.book.units_of(0) == book.units_of(0)
    assert not path.with_name("book.part").exists()
    for one in (book, loaded.book):  # and it goes on the same
        one.open_accounts(3)
        fill(one, Fill(unit=ALICE, counterparty=ALICE + 1, instrument=0, lots=9, value=9))
    assert digest(loaded.book) == digest(book)


def test_a_snapshot_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "book"
    write_snapshot(opened(LEGS), path)
    write_snapshot(opened(LEGS[:2]), path)
    assert digest(load_snapshot(path, new_book().parameters).book) == digest(opened(LEGS[:2]))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("snapshot") / "book"
    write_snapshot(opened(LEGS), path, notes={"position": 1})
    return path.read_bytes()


def load_bytes(folder: Path, data: bytes) -> None:
    path = folder / "damaged"
    path.write_bytes(data)
    load_snapshot(path, new_book().parameters)


@given(data=st.data())
def test_any_changed_byte_is_found(
    written: bytes,
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
) -> None:
    place = data.draw(st.integers(0, len(written) - 1))
    change = data.draw(st.integers(1, 255))
    changed = bytearray(written)
    changed[place] ^= change
    with pytest.raises(UnreadableData, match=r"snapshot .* earlier snapshot"):
        load_bytes(tmp_path_factory.getbasetemp(), bytes(changed))


@given(data=st.data())
def test_any_truncation_is_found(
    written: bytes,
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
) -> None:
    length = data.draw(st.integers(0, len(written) - 1))
    with pytest.raises(UnreadableData):
        load_bytes(tmp_path_factory.getbasetemp(), written[:length])


def test_bytes_after_the_end_are_found(written: bytes, tmp_path: Path) -> None:
    with pytest.raises(UnreadableData, match="after its last column"):
        load_bytes(tmp_path, written + b"x")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableData, match="nowhere"):
        load_snapshot(tmp_path / "nowhere", new_book().parameters)


def test_a_snapshot_for_other_instruments_is_refused(tmp_path: Path) -> None:
    book, path = opened(LEGS), tmp_path / "book"
    write_snapshot(book, path)
    parameters = Parameters(
        instrument_names=("A",),
        asset_names=book.parameters.asset_names,
        instruments=np.zeros(1, dtype=INSTRUMENT),
        assets=book.parameters.assets,
    )
    with pytest.raises(UnreadableData, match="other instruments"):
        load_snapshot(path, parameters)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("schema", 99, "schema 99"),
        ("digest", "00", "does not reproduce the digest"),
        ("vault", ["1", "2"], "does not reproduce the digest"),
    ],
)
def test_a_well_sealed_header_that_does_not_fit_is_refused(
    written: bytes,
    tmp_path: Path,
    key: str,
    value: object,
    text: str,
) -> None:
    head = len(snapshots.MAGIC) + snapshots.LENGTH_SIZE
    length = int.from_bytes(written[len(snapshots.MAGIC) : head], "little")
    first = head + snapshots.CHECKSUM_SIZE
    header = json.loads(written[first : first + length]) | {key: value}
    forged = snapshots.sealed(json.dumps(header).encode())
    with pytest.raises(UnreadableData, match=text):
        load_bytes(tmp_path, snapshots.MAGIC + forged + written[first + length :])
