"""How wide an output is: paths are never broken, and are as long as where a test runs makes them."""

import re


def widest(output: str) -> int:
    """Return the length of the longest line, every absolute path counted as four letters."""
    return max(map(len, re.sub(r"/[\w./-]+", "FILE", output).splitlines()))
