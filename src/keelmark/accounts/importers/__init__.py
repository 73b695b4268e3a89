"""Account documents from what a venue's interface answers: payload in, document out."""

from keelmark.accounts.importers.payload import Payload, read_payload
from keelmark.accounts.importers.run import ImportedAccount, import_account, payload_kinds

__all__ = ["ImportedAccount", "Payload", "import_account", "payload_kinds", "read_payload"]
