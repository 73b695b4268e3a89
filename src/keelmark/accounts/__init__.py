"""Accounts as their owners see them: the document, what it means and what it amounts to."""

from keelmark.accounts.account import Account, load_account, read_account
from keelmark.accounts.check import AccountCheck, check

__all__ = ["Account", "AccountCheck", "check", "load_account", "read_account"]
