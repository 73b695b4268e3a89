"""Policies by name: what a rulebook writes and what the engine calls."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from keelmark.core.errors import DuplicateId, InvalidInput, nearest

Policy = TypeVar("Policy")


class Registry(Generic[Policy]):
    """A closed list of policies of one type, filled when their module is imported."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._policies: dict[str, Policy] = {}

    def register(self, name: str) -> Callable[[Policy], Policy]:
        """Return a decorator that enters a policy under `name`."""

        def enter(policy: Policy) -> Policy:
            if name in self._policies:
                msg = f"{self._kind} policy {name!r} is entered twice; choose another name"
                raise DuplicateId(msg)
            self._policies[name] = policy
            return policy

        return enter

    def __getitem__(self, name: str) -> Policy:
        """Return the policy called `name`.

        Raises:
            InvalidInput: No such policy; the message names the nearest one.
        """
        try:
            return self._policies[name]
        except KeyError:
            msg = f"no {self._kind} policy {name!r}; {nearest(name, self._policies)}"
            raise InvalidInput(msg) from None

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._policies))

    def __len__(self) -> int:
        return len(self._policies)
