"""Deliver what the store holds: gather digests, try again with patience, give up aloud.

Each message is sent on a thread of its own, one at a time to a channel: a receiver that hangs
delays no other. Only the thread that calls writes the store.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic

from keelmark.service.alerts.channels.port import Channel, NotDelivered
from keelmark.service.alerts.rules import AlertRules
from keelmark.service.alerts.store import AlertStore, Delivery

FIRST_RETRY_S = 5.0
LAST_RETRY_S = 600.0
GIVE_UP_S = 24 * 3600.0
"""An alert that is a day old wakes nobody."""

MESSAGE_MAX = 50
"""Alerts in one message."""

PATIENCE_S = 1.0
"""What is sent is waited for so long; slower ones go on by themselves and are looked at later."""

LIMIT_S = 30.0
"""A message that takes longer has failed; where it arrives after all it is not sent again."""

HANGING_MAX = 3
"""Messages to a channel that may hang beyond their limit at a time: then none is begun."""

Told = Callable[[str, str], None]
"""Called with a channel and why it failed for good."""


@dataclass(slots=True, eq=False)
class _Sending:
    """A message on its way.

    Attributes:
        name: Its channel.
        message: What is in it.
        until_s: When it has failed.
        problem: Why it did not arrive; `None` where it did.
        is_late: Whether it has been taken for failed.
    """

    name: str
    message: list[Delivery]
    until_s: float
    problem: NotDelivered | None = None
    is_late: bool = False


class Courier:
    """Sends what is due, channel by channel; one that fails or hangs holds no other up."""

    def __init__(
        self,
        rules: AlertRules,
        store: AlertStore,
        channels: Mapping[str, Channel],
        told: Told | None = None,
    ) -> None:
        self._rules = rules
        self._store = store
        self._channels = channels
        self._told = told or (lambda *_: None)
        self._under_way: dict[str, _Sending] = {}
        self._hanging: list[_Sending] = []
        self._done: SimpleQueue[_Sending] = SimpleQueue()

    def over(self, store: AlertStore) -> "Courier":
        """Return the same courier over another connection to the store."""
        return Courier(self._rules, store, self._channels, self._told)

    def run_due(self, time_ms: int) -> int:
        """Send what is due; return how many alerts are known to have arrived meanwhile."""
        arrived = self._settle(time_ms)
        self._give_up_hanging(time_ms)
        rest = self._ready(time_ms)
        for name in list(rest):
            self._begin(name, rest, time_ms)
        until = monotonic() + PATIENCE_S
        while rest.keys() & self._under_way.keys() and (left := until - monotonic()) > 0:
            before = dict(self._under_way)
            arrived += self._settle(time_ms, left)
            for name, sending in before.items():
                if name in rest and name not in self._under_way and sending.problem is None:
                    self._begin(name, rest, time_ms)
        return arrived

    def finish(self, time_ms: int, wait_s: float) -> int:
        """Send what is due and wait for it, at most so long; return how many alerts arrived."""
        until = monotonic() + wait_s
        arrived = self.run_due(time_ms)
        while self._under_way and (left := until - monotonic()) > 0:
            arrived += self._settle(time_ms, left)
        return arrived

    def _ready(self, time_ms: int) -> dict[str, list[Delivery]]:
        """Return what is sent now, by channel; of channels to which nothing is under way."""
        waiting: defaultdict[str, list[Delivery]] = defaultdict(list)
        for delivery in self._store.due(time_ms):
            if delivery.channel not in self._under_way:
                waiting[delivery.channel].append(delivery)
        ready = {}
        for name, deliveries in waiting.items():
            if name not in self._channels:
                problem = f"there is no channel {name!r} any more"
                self._store.give_up(deliveries, time_ms=time_ms, problem=problem)
                self._told(name, problem)
            elif self._is_full(name, deliveries, time_ms):
                ready[name] = deliveries
        return ready

    def _begin(self, name: str, rest: dict[str, list[Delivery]], time_ms: int) -> None:
        """Begin to send the next message to a channel, if there is one."""
        message, rest[name] = rest[name][:MESSAGE_MAX], rest[name][MESSAGE_MAX:]
        if not message:
            return
        if sum(1 for sending in self._hanging if sending.name == name) >= HANGING_MAX:
            problem = NotDelivered(f"{HANGING_MAX} messages before it have no answer yet")
            self._failed(name, message, problem, time_ms)
            return
        sending = _Sending(name, message, monotonic() + LIMIT_S)
        self._under_way[name] = sending
        # A receiver can hang: the thread must not keep the process alive.
        Thread(target=self._send, args=(sending,), name=f"to {name}", daemon=True).start()

    def _send(self, sending: _Sending) -> None:
        """Send a message: a thread's work."""
        try:
            self._channels[sending.name].send([delivery.alert for delivery in sending.message])
        except NotDelivered as error:
            sending.problem = error
        except Exception as error:  # noqa: BLE001 a channel must not end for what a receiver says
            sending.problem = NotDelivered(f"it could not be sent: {type(error).__name__}")
        self._done.put(sending)

    def _settle(self, time_ms: int, wait_s: float = 0.0) -> int:
        """Note what became of what was sent; return how many alerts arrived."""
        arrived = 0
        try:
            sending = self._done.get(timeout=wait_s) if wait_s else self._done.get_nowait()
            while True:
                arrived += self._settled(sending, time_ms)
                sending = self._done.get_nowait()
        except Empty:
            return arrived

    def _settled(self, sending: _Sending, time_ms: int) -> int:
        if sending.is_late:
            self._hanging.remove(sending)
        else:
            del self._under_way[sending.name]
        if sending.problem is None:
            self._store.confirm(sending.message, time_ms=time_ms)
            return len(sending.message)
        if not sending.is_late:
            self._failed(sending.name, sending.message, sending.problem, time_ms)
        return 0

    def _give_up_hanging(self, time_ms: int) -> None:
        """Take for failed what has been under way for too long."""
        now_s = monotonic()
        for name, sending in list(self._under_way.items()):
            if now_s >= sending.until_s:
                sending.is_late = True
                del self._under_way[name]
                self._hanging.append(sending)
                problem = NotDelivered(f"no answer within {LIMIT_S:.0f} s")
                self._failed(name, sending.message, problem, time_ms)

    def _is_full(self, name: str, deliveries: list[Delivery], time_ms: int) -> bool:
        """Whether a channel's digest is sent now: its time is up, or something cannot wait."""
        rule = self._rules.channels.get(name)
        if rule is None or not rule.digest_s:
            return True
        highest = len(self._rules.levels) - 1
        oldest = min(d.alert.time_ms for d in deliveries)
        urgent = any(d.alert.rank == highest for d in deliveries)
        return urgent or time_ms - oldest >= 1000 * rule.digest_s

    def _failed(
        self, name: str, message: list[Delivery], error: NotDelivered, time_ms: int
    ) -> None:
        old = [d for d in message if time_ms - d.alert.time_ms >= 1000 * GIVE_UP_S]
        lost = message if error.is_final else old
        if lost:
            self._store.give_up(lost, time_ms=time_ms, problem=str(error))
            self._told(name, str(error))
        rest = [d for d in message if d not in lost]
        if rest:
            tries = max(d.tries for d in rest)
            pause_s = max(min(FIRST_RETRY_S * 2.0**tries, LAST_RETRY_S), error.retry_after_s)
            next_ms = time_ms + int(1000 * pause_s)
            self._store.postpone(rest, time_ms=time_ms, next_ms=next_ms, problem=str(error))
