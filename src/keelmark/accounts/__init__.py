"""Accounts as their owners see them: the document, what it means and what it amounts to."""

from keelmark.accounts.account import Account, load_account, read_account
from keelmark.accounts.check import AccountCheck, check
from keelmark.accounts.table import Table, margin_table
from keelmark.accounts.volatilities import Volatilities

__all__ = [
    "Account",
    "AccountCheck",
    "Table",
    "Volatilities",
    "check",
    "load_account",
    "margin_table",
    "read_account",
]
