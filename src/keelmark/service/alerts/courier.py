"""Deliver what the store holds: gather digests, try again with patience, give up aloud."""

from collections import defaultdict
from collections.abc import Callable, Mapping

from keelmark.service.alerts.channels.port import Channel, NotDelivered
from keelmark.service.alerts.rules import AlertRules
from keelmark.service.alerts.store import AlertStore, Delivery

FIRST_RETRY_S = 5.0
LAST_RETRY_S = 600.0
GIVE_UP_S = 24 * 3600.0
"""An alert that is a day old wakes nobody."""

MESSAGE_MAX = 50
"""Alerts in one message."""

Told = Callable[[str, str], None]
"""Called with a channel and why it failed for good."""


class Courier:
    """Sends what is due, channel by channel; one that fails holds no other up."""

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

    def over(self, store: AlertStore) -> "Courier":
        """Return the same courier over another connection to the store."""
        return Courier(self._rules, store, self._channels, self._told)

    def run_due(self, time_ms: int) -> int:
        """Send what is due; return how many alerts arrived."""
        waiting: defaultdict[str, list[Delivery]] = defaultdict(list)
        for delivery in self._store.due(time_ms):
            waiting[delivery.channel].append(delivery)
        return sum(self._serve(name, found, time_ms) for name, found in waiting.items())

    def _serve(self, name: str, deliveries: list[Delivery], time_ms: int) -> int:
        channel = self._channels.get(name)
        if channel is None:
            problem = f"there is no channel {name!r} any more"
            self._store.give_up(deliveries, time_ms=time_ms, problem=problem)
            self._told(name, problem)
            return 0
        if not self._is_full(name, deliveries, time_ms):
            return 0
        arrived = 0
        for first in range(0, len(deliveries), MESSAGE_MAX):
            message = deliveries[first : first + MESSAGE_MAX]
            if not self._send(name, channel, message, time_ms):
                break
            arrived += len(message)
        return arrived

    def _is_full(self, name: str, deliveries: list[Delivery], time_ms: int) -> bool:
        """Whether a channel's digest is sent now: its time is up, or something cannot wait."""
        rule = self._rules.channels.get(name)
        if rule is None or not rule.digest_s:
            return True
        highest = len(self._rules.levels) - 1
        oldest = min(d.alert.time_ms for d in deliveries)
        urgent = any(d.alert.rank == highest for d in deliveries)
        return urgent or time_ms - oldest >= 1000 * rule.digest_s

    def _send(self, name: str, channel: Channel, message: list[Delivery], time_ms: int) -> bool:
        try:
            channel.send([delivery.alert for delivery in message])
        except NotDelivered as error:
            self._failed(name, message, error, time_ms)
            return False
        self._store.confirm(message, time_ms=time_ms)
        return True

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
