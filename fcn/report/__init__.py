"""One offline HTML page of a run."""

from fcn.report.page import write_report

__all__ = ["write_report"]
