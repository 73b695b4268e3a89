"""Why a kernel refused a row, as numbers; `book.refusals` turns them into errors."""

OK = 0
POSITION_ROOM = 1
"""The position table has to grow; nothing of the row is applied."""
BALANCE_ROOM = 2
"""The balance table has to grow; nothing of the row is applied."""
UNKNOWN_UNIT = 3
CLOSED_UNIT = 4
UNKNOWN_INSTRUMENT = 5
UNKNOWN_ASSET = 6
NO_LOTS = 7
LOTS_LIMIT = 8
COST_LIMIT = 9
VALUE_LIMIT = 10
CASH_LIMIT = 11
BALANCE_LIMIT = 12
LEG_CROSSED = 13
NOT_REDUCING = 14
BLOCK_FULL = 15
MISSING_BALANCE = 16
BAD_TICKS = 17
