"""Send the API what nobody should send it, and print what it came to.

    python -m benchmarks.service.hostile [EXAMPLES] [SEED]

Every route of the OpenAPI description, in each of the three roles, gets that many requests its
description allows and as many it does not (schemathesis). The process ends with 1 where an answer
has a status from 500 on, is not as described, or lets in whom the table of roles does not.
"""

import sys
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.service.api.hostile import HEAD, Tried, hostile_venue, summary, tried

EXAMPLES = 1000


def main() -> int:
    """Run, and print one row a route."""
    numbers = [int(word) for word in sys.argv[1:3]]
    examples, begin = (*numbers, *(EXAMPLES, 0)[len(numbers) :])
    warnings.simplefilter("ignore")
    begun = time.monotonic()
    print(HEAD)
    with TemporaryDirectory(prefix="km") as folder:
        api = hostile_venue(Path(folder))
        found = tried(api, examples, begin=begin, told=_told)
        assert api.reading is not None  # noqa: S101 it was made with views
        api.reading.close()
    *_, first, total = ["", *summary(found)]
    print(f"{total}\n{first}; {time.monotonic() - begun:,.0f} s")
    return int(any(of_route.failures for of_route in found))


def _told(of_route: Tried) -> None:
    print(of_route.line(), flush=True)
    for failure in of_route.failures[:3]:
        print(f"    {failure}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
