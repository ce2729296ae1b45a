"""Checks of a data set: whether it can be learned from, and whether it means what it seems to.

`survey` reads a data set once and counts; `judgment` finds what is refused and what is suspicious; `text`,
`document` and `page` show it to people and programs; `fix` writes a mended copy.
"""
