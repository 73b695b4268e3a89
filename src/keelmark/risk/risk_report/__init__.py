"""The risk of one account on one page."""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.risk_report.gather import ReportOptions as ReportOptions
    from keelmark.risk.risk_report.gather import report_of as report_of
    from keelmark.risk.risk_report.gather import risk_report as risk_report
    from keelmark.risk.risk_report.model import Report as Report
    from keelmark.risk.risk_report.page import render as render

_HOMES = {
    "Report": "keelmark.risk.risk_report.model",
    "ReportOptions": "keelmark.risk.risk_report.gather",
    "render": "keelmark.risk.risk_report.page",
    "report_of": "keelmark.risk.risk_report.gather",
    "risk_report": "keelmark.risk.risk_report.gather",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
