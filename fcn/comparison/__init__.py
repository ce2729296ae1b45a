"""Several nets side by side: trained with one budget, scored and timed on one data set, shown on one page."""
