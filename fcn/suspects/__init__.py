"""`fcn data suspects`: images and regions whose label a net doubts most.

In order: `search.py` says what is searched, by which nets; `folds.py` trains nets that have not seen what
they are asked about; `score.py` computes doubt, `ranking.py` ranks by it; `page.py`, `table.py` and
`document.py` show the result.
"""
