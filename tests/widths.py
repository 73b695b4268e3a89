"""How wide an output is: a path is never broken, and is as long as where a test runs makes it."""

import re


def widest(output: str) -> int:
    """Return the length of the longest line, every absolute path counted as four letters."""
    return max(map(len, re.sub(r"/[\w./-]+", "FILE", output).splitlines()))
