"""Style, axes and templates that all offline HTML pages share.

`render` fills a template of `templates/`: one for each page (`report.html`, `comparison.html`,
`inspection.html`), which extend `layout.html`, and one for each part that several pages or tests need. The
templates of all pages are here, beside the style sheets that they have in common (`colors.css`, `style.css`:
copied into each page so that it opens offline); the packages that write a page pass plain values and write
no HTML.

`axes` places what SVG charts show, `swatch` names class colors, `picture` embeds images, and `percent` writes
every percentage that people read. Nothing here knows nets, runs or scores.
"""
