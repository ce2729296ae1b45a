"""One offline HTML page of a run."""

from fcn.report.page import Progress, write_progress_report, write_report
from fcn.report.snapshot import Snapshot, take_snapshot

__all__ = ["Progress", "Snapshot", "take_snapshot", "write_progress_report", "write_report"]
