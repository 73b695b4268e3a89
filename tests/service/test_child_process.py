"""What the end of a process means to whoever started it."""

import errno

import msgspec
import pytest

from keelmark.core.errors import CorruptJournal, InvalidInput, StorageFailed
from keelmark.service.child_process import AWAY, BAD_INPUT, OUR_ERROR, exit_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StorageFailed("no database"), AWAY),
        (OSError(errno.ENOSPC, "no space left on device"), AWAY),
        (OSError(errno.EMFILE, "too many open files"), AWAY),
        (InvalidInput("another rulebook"), BAD_INPUT),
        (msgspec.ValidationError("settings"), BAD_INPUT),
        (CorruptJournal("damaged"), OUR_ERROR),
        (FileNotFoundError(errno.ENOENT, "no such file"), OUR_ERROR),
        (ZeroDivisionError(), OUR_ERROR),
    ],
    ids=repr,
)
def test_a_machine_that_says_no_may_say_yes_again_and_a_bug_is_ours(
    error: Exception, code: int
) -> None:
    assert exit_code(error) == code
