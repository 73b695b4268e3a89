"""The report of a replay: one page that needs nothing but a browser."""

from keelmark.lab.report.model import ReplayReport
from keelmark.lab.report.page import render, write

__all__ = ["ReplayReport", "render", "write"]
