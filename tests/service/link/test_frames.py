"""Frames and messages: whole or refused, whatever arrives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.service.link import messages as m
from keelmark.service.link.frames import FRAME_BYTES_MAX, BadFrame, FrameReader, framed

payloads = st.lists(st.binary(min_size=1, max_size=200), max_size=8)


@given(payloads, st.lists(st.integers(1, 64), min_size=1, max_size=64))
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    sent: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(framed(payload) for payload in sent)
    reader, at, turn = FrameReader(), 0, 0
    got: list[bytes] = []
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        got += reader.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert got == sent
    assert not reader.is_torn


@given(payloads, st.binary(min_size=1, max_size=50))
def test_a_stream_that_ends_inside_a_frame_is_torn(sent: list[bytes], last: bytes) -> None:
    reader = FrameReader()
    stream = b"".join(framed(payload) for payload in sent) + framed(last)[:-1]
    assert list(reader.feed(stream)) == sent
    assert reader.is_torn


@pytest.mark.parametrize("length", [0, FRAME_BYTES_MAX + 1, 2**32 - 1])
def test_a_length_nobody_sends_is_refused_after_the_frames_before_it(length: int) -> None:
    payloads = FrameReader().feed(framed(b"good") + length.to_bytes(4, "little") + b"x")
    assert next(payloads) == b"good"
    with pytest.raises(BadFrame, match=f"a frame of {length} bytes"):
        next(payloads)


@pytest.mark.parametrize("payload", [b"", bytes(FRAME_BYTES_MAX + 1)])
def test_a_payload_that_fits_no_frame_is_not_sent(payload: bytes) -> None:
    with pytest.raises(BadFrame, match="send smaller batches"):
        framed(payload)


@given(st.binary(max_size=300))
def test_no_bytes_are_more_than_a_bad_message(payload: bytes) -> None:
    for decode in (m.request_of, m.answer_of):
        try:
            decode(payload)
        except m.BadMessage as error:
            assert "cannot be read" in str(error)  # noqa: PT017 a message may also be good


def test_a_deep_message_is_a_bad_message() -> None:
    for nest in (b"\x91", b"\x81\xa1a"):
        with pytest.raises(m.BadMessage):
            m.request_of(nest * 100_000 + b"\xc0")
    tagged = b"\x83\xa4type\xa6Submit\xa2id\x01\xa5items\x91\x81\xa7command"
    with pytest.raises(m.BadMessage):
        m.request_of(tagged + b"\x91" * 100_000 + b"\xc0")
