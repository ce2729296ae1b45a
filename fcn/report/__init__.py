"""The report of a run: one HTML page that opens offline."""

from fcn.report.page import Progress, write_progress_report, write_report
from fcn.report.snapshot import Snapshot, take_snapshot

__all__ = ["Progress", "Snapshot", "take_snapshot", "write_progress_report", "write_report"]
