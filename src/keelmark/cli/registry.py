"""Which commands exist and where they live; a command whose module is missing is not listed."""

from importlib.util import find_spec

COMMANDS = {
    "check": "keelmark.cli.check:check",
    "explain": "keelmark.cli.explain:explain",
    "import": "keelmark.cli.import_account:import_files",
    "fetch": "keelmark.cli.fetch:fetch",
    "whatif": "keelmark.cli.whatif:whatif",
    "ladder": "keelmark.cli.ladder:ladder",
    "surface": "keelmark.cli.surface:surface",
    "rescue": "keelmark.cli.rescue:rescue",
    "joint": "keelmark.cli.joint:joint",
    "risk": "keelmark.cli.risk:risk",
    "size": "keelmark.cli.size:size",
    "stress": "keelmark.cli.stress:stress",
    "compare": "keelmark.cli.compare:compare",
    "watch": "keelmark.cli.watch:watch",
    "serve": "keelmark.cli.serve:serve",
    "backup": "keelmark.cli.backup:backup",
    "verify": "keelmark.cli.verify:verify",
    "replay": "keelmark.cli.replay:replay",
    "simulate": "keelmark.cli.simulate:simulate",
    "adl": "keelmark.cli.adl:adl",
    "venues": "keelmark.cli.venues:venues",
    "data": "keelmark.cli.data:data",
    "bench": "keelmark.cli.bench:bench",
}
"""`module:attribute` by name, in the order they are shown."""

SUMMARIES = {
    "check": "How far is this account from liquidation?",
    "explain": "Where does this number come from?",
    "import": "Make an account document of what your venue answered.",
    "fetch": "Read an account live, with keys that can only read.",
    "whatif": "What would it be after these changes?",
    "ladder": "How do margin and equity change along a price?",
    "surface": "Where over two prices is it liquidated?",
    "rescue": "What is the cheapest way to safety?",
    "size": "How large may a position be, and which rule binds?",
    "stress": "What would known crashes, and worse, do to it?",
    "compare": "Which venue margins it cheapest, and is cross or isolated farther?",
    "joint": "Which joint move liquidates it, and how unusual is it?",
    "risk": "How much can it lose, how likely, and what contributes?",
    "watch": "Watch accounts at their venues, and be woken in time.",
    "serve": "Run the engine as a service, with its API and dashboard.",
    "backup": "Copy a service's folder while it runs.",
    "verify": "Prove what a service's folder gives.",
    "replay": "Run a population of accounts through recorded markets.",
    "simulate": "Run the whole engine under faults, from one seed.",
    "adl": "Compare ways to deleverage.",
    "venues": "List rulebooks, their sources and what they do not cover.",
    "data": "Import, check and describe market data.",
    "bench": "Measure this machine.",
}
"""One line each for the help text, so that listing commands imports none of them."""


def is_available(name: str) -> bool:
    """Whether a command of this name is part of this installation."""
    home = COMMANDS.get(name)
    return home is not None and find_spec(home.partition(":")[0]) is not None


def available_commands() -> list[str]:
    """Return the commands that can be called."""
    return [name for name in COMMANDS if is_available(name)]
