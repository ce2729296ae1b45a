"""How a report looks, on a screen or a phone, light or dark."""

from fcn.report.pictures import VOID_COLORS, WRONG_COLOR


def css_color(color: tuple[int, int, int]) -> str:
    """Returns an RGB color as CSS writes it.

    Example:
        >>> css_color((255, 0, 16))
        '#ff0010'
    """
    return "#" + bytes(color).hex()


STYLE = f"""
:root {{ color-scheme: light dark; --page: #f6f7f9; --card: #fff; --text: #1c2128; --soft: #59636e;
  --edge: #d9dee4; --grid: #e7eaee; --accent: #2563c9; --pale: #a9c4ee; }}
@media (prefers-color-scheme: dark) {{ :root {{ --page: #13161a; --card: #1c2026; --text: #e6e9ed;
  --soft: #a3adb8; --edge: #343b44; --grid: #2b3139; --accent: #6ea8ff; --pale: #35507c; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }}
main, header {{ max-width: 1120px; margin: 0 auto; padding: 0 20px; }}
header {{ padding-top: 28px; }}
h1 {{ margin: 0; font-size: 1.9rem; line-height: 1.2; overflow-wrap: anywhere; }}
h2 {{ margin: 2.2rem 0 .8rem; font-size: 1.25rem; }}
.chart p {{ margin: 0 0 .6rem; font-size: .875rem; }}
h3 {{ margin: 0; font-size: 1rem; }}
h4 {{ margin: 0 0 .5rem; font-size: .95rem; display: flex; flex-wrap: wrap; justify-content: space-between;
  gap: 0 1rem; overflow-wrap: anywhere; }}
p {{ margin: .4rem 0; }}
.soft, .iou, figcaption {{ color: var(--soft); font-weight: 400; }}
.iou b {{ color: var(--text); }}
.scores, .charts {{ display: grid; gap: 14px; grid-template-columns: repeat(4, minmax(0, 1fr)); margin: 0; }}
.charts {{ grid-template-columns: repeat(3, minmax(0, 1fr)); }}
.scores div, .chart, article, .panel, details {{ background: var(--card); border: 1px solid var(--edge);
  border-radius: 10px; padding: 14px 16px; margin: 0; }}
.scores div {{ display: flex; flex-direction: column-reverse; justify-content: flex-end; }}
.scores dt {{ color: var(--soft); font-size: .875rem; }}
.scores dd {{ margin: 0; font-size: 1.9rem; font-weight: 650; line-height: 1.25; }}
.scores .main dd {{ color: var(--accent); }}
.scores + p {{ margin-top: .8rem; }}
svg {{ display: block; width: 100%; max-width: 460px; height: auto; }}
svg text {{ font-size: 14px; fill: var(--text); }}
svg .unit {{ fill: var(--soft); }}
.grid {{ stroke: var(--grid); }}
.axis {{ stroke: var(--soft); fill: none; }}
polyline {{ fill: none; stroke-width: 2.2; stroke-linejoin: round; }}
.line {{ stroke: var(--accent); }}
.pale {{ stroke: var(--pale); stroke-width: 1.2; }}
circle {{ fill: var(--accent); }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: 3px 0 3px 14px; }}
th:first-child {{ padding-left: 0; }}
thead th {{ font-size: .875rem; color: var(--soft); font-weight: 400; }}
tbody th {{ font-weight: 400; overflow-wrap: break-word; }}
.panel p {{ margin: .6rem 0 0; font-size: .875rem; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; width: 1%; }}
.bar {{ width: 60%; }}
.bar span {{ display: block; height: 12px; border-radius: 3px; background: var(--grid); overflow: hidden; }}
.bar i {{ display: block; height: 100%; background: var(--accent); }}
.swatch {{ display: inline-block; width: 14px; height: 14px; border-radius: 3px; margin-right: 7px;
  border: 1px solid var(--soft); vertical-align: -2px; flex: none; }}
.legend {{ display: flex; flex-wrap: wrap; gap: 2px 18px; padding: 0; margin: 0; list-style: none;
  font-size: .9rem; }}
.legend + .legend {{ margin-top: .6rem; padding-top: .6rem; border-top: 1px solid var(--edge); }}
.right {{ background: linear-gradient(90deg, #2a2a2a, #707070); }}
.wrong {{ background: {css_color(WRONG_COLOR)}; }}
.void {{ background: repeating-linear-gradient(135deg, {css_color(VOID_COLORS[0])} 0 2px,
  {css_color(VOID_COLORS[1])} 2px 4px); }}
section > h3 {{ margin: 1.4rem 0 .6rem; }}
article {{ margin-bottom: 14px; }}
.pictures {{ display: grid; gap: 10px; grid-template-columns: repeat(4, minmax(0, 1fr)); }}
figure {{ margin: 0; }}
img {{ display: block; width: 100%; height: auto; max-height: 280px; object-fit: contain;
  border-radius: 4px; }}
img.png {{ image-rendering: pixelated; }}
figcaption {{ font-size: .85rem; margin-top: 3px; text-align: center; }}
details {{ margin-bottom: 12px; }}
summary {{ cursor: pointer; font-weight: 600; }}
pre {{ overflow-x: auto; margin: .8rem 0 0; font: .85rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }}
footer {{ height: 40px; }}
@media (max-width: 900px) {{ .charts {{ grid-template-columns: minmax(0, 1fr); }} }}
@media (max-width: 640px) {{
  main, header {{ padding-left: 12px; padding-right: 12px; }}
  .scores, .pictures {{ grid-template-columns: repeat(2, minmax(0, 1fr)); }}
  .scores dd {{ font-size: 1.5rem; }} .bar {{ width: auto; min-width: 60px; }}
  .wide {{ display: none; }} th, td {{ padding-left: 8px; }}
}}
"""
