"""Many shards of one seed, in one process or in several; the result does not depend on which."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from keelmark.lab.simulation.probes import EVERY
from keelmark.lab.simulation.run import Outcome, run_shard
from keelmark.lab.simulation.spec import SimulationSpec

Mapper = Callable[
    [Callable[[int], "Outcome | Failure"], Iterable[int]],
    Iterable["Outcome | Failure"],
]


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that broke a law, or broke.

    Attributes:
        shard: Which.
        error: Type and message.
        where: Profile and step.
    """

    shard: int
    error: str
    where: tuple[str, ...]


@dataclass(slots=True)
class Campaign:
    """What all shards did.

    Attributes:
        outcomes: Of the shards that held.
        failures: Of the others.
        fired: How often each probe fired.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    fired: Counter[str] = field(default_factory=Counter)

    @property
    def silent(self) -> list[str]:
        """Probes that never fired."""
        return [name for name in EVERY if not self.fired[name]]


def run_shards(
    spec: SimulationSpec,
    seed: int,
    shards: Sequence[int],
    mapper: Mapper = map,
) -> Campaign:
    """Run shards of a seed.

    Args:
        spec: The simulation.
        seed: Shard `i` draws from `SeedSequence([seed, i])`.
        shards: Which.
        mapper: `map`, or that of a pool.
    """
    campaign = Campaign()
    for result in mapper(partial(tried, spec, seed), shards):
        if isinstance(result, Failure):
            campaign.failures.append(result)
        else:
            campaign.outcomes.append(result)
            campaign.fired += result.fired
    return campaign


def tried(spec: SimulationSpec, seed: int, shard: int) -> Outcome | Failure:
    """Run one shard; whatever breaks is a finding."""
    try:
        return run_shard(spec, seed, shard)
    except Exception as error:  # noqa: BLE001 any error of a run is what a simulation looks for
        notes = tuple(getattr(error, "__notes__", ()))
        return Failure(shard, f"{type(error).__name__}: {error}", notes)


def reproduction(seed: int, shard: int, config: str) -> str:
    """Return the line that shows a failure again."""
    chosen = f" --shard {shard}" if shard else ""
    return f"keelmark simulate --seed {seed} --config {config}{chosen}"
