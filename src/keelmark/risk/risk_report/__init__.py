"""The risk of one account on one page."""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.risk_report.model import Report as Report
    from keelmark.risk.risk_report.page import render as render

_HOMES = {
    "Report": "keelmark.risk.risk_report.model",
    "render": "keelmark.risk.risk_report.page",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
