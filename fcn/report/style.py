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
  --edge: #d9dee4; --grid: #e7eaee; --accent: #2563c9; --pale: #a9c4ee;
  --hit: 91 155 245; --miss: 242 120 110; }}
@media (prefers-color-scheme: dark) {{ :root {{ --page: #13161a; --card: #1c2026; --text: #e6e9ed;
  --soft: #a3adb8; --edge: #343b44; --grid: #2b3139; --accent: #6ea8ff; --pale: #35507c;
  --hit: 44 101 197; --miss: 186 48 44; }} }}
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
svg .tap {{ fill: var(--accent); }}
svg .left {{ fill: var(--grid); }}
.seen img {{ width: auto; max-width: min(100%, 640px); max-height: 480px; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: 3px 0 3px 14px; }}
th:first-child {{ padding-left: 0; }}
thead th {{ font-size: .875rem; color: var(--soft); font-weight: 400; }}
tbody th {{ font-weight: 400; }}
.named {{ display: inline-flex; align-items: baseline; min-width: 7em; overflow-wrap: anywhere; }}
.panel p {{ margin: .6rem 0 0; font-size: .875rem; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; width: 1%; }}
.bar {{ width: 60%; }}
.bar span {{ display: block; height: 12px; border-radius: 3px; background: var(--grid); overflow: hidden; }}
.bar i {{ display: block; height: 100%; background: var(--accent); }}
.columns {{ display: grid; gap: 0 44px; align-items: start;
  grid-template-columns: repeat(2, minmax(0, 1fr)); }}
.columns .bar {{ width: 40%; }}
.status {{ margin-top: 18px; }}
.status p {{ margin: 0; font-size: 1rem; }}
.status .soft {{ font-size: .875rem; }}
progress {{ display: block; width: 100%; height: 12px; margin: 8px 0; accent-color: var(--accent); }}
.panel > .soft:first-child {{ margin: 0 0 .8rem; }}
.confusion {{ display: flex; flex-wrap: wrap; gap: 18px 48px; align-items: flex-start; }}
.confusion > div {{ min-width: 0; max-width: 100%; }}
.confusion ol {{ margin: .5rem 0 0; padding-left: 1.4em; font-size: .9rem; overflow-wrap: anywhere; }}
.scroll {{ overflow-x: auto; }}
.matrix {{ width: auto; border-collapse: separate; border-spacing: 1px; font-size: .8rem; line-height: 1.1; }}
.matrix td {{ width: var(--cell); min-width: var(--cell); height: min(var(--cell), 32px); padding: 0;
  text-align: center; font-variant-numeric: tabular-nums;
  --tint: rgb(var(--miss) / var(--a, 0));
  background: linear-gradient(var(--tint), var(--tint)), var(--page); }}
.matrix .hit {{ --tint: rgb(var(--hit) / var(--a, 0)); outline: 1px solid rgb(var(--hit));
  outline-offset: -1px; }}
.dense {{ font-size: .72rem; line-height: 1; }}
.matrix .none {{ text-align: left; padding-left: 6px; background: var(--grid); color: var(--soft); }}
.matrix thead td {{ background: none; text-align: left; vertical-align: bottom; white-space: nowrap; }}
.matrix th {{ padding: 0; color: var(--text); font-size: inherit; }}
.matrix th span {{ display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.matrix thead th {{ vertical-align: bottom; }}
.matrix thead th span {{ writing-mode: vertical-rl; transform: rotate(180deg); max-height: 9rem; margin: auto;
  padding-top: 3px; }}
.matrix tbody th, .matrix thead td {{ position: sticky; left: 0; background: var(--card); }}
.matrix tbody th span {{ max-width: 11rem; padding-right: 5px; }}
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
.pictures {{ display: grid; gap: 10px; grid-template-columns: repeat(var(--columns, 4), minmax(0, 1fr)); }}
.dots svg {{ max-width: 600px; }}
.nets tbody td, .nets tbody th {{ padding-bottom: 7px; vertical-align: top; }}
.ious, .ious .number {{ width: auto; }}
.ious td, .ious th + th {{ padding-left: 26px; }}
.panel + article, .panel + details {{ margin-top: 14px; }}
.nets thead th {{ white-space: normal; vertical-align: bottom; line-height: 1.25; }}
.nets th:first-child {{ position: sticky; left: 0; background: var(--card); }}
small {{ display: block; color: var(--soft); font-size: .75rem; line-height: 1.2; }}
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
  .columns {{ grid-template-columns: minmax(0, 1fr); }}
  .matrix td {{ width: min(var(--cell), 30px); min-width: min(var(--cell), 30px); }}
  .matrix tbody th span {{ max-width: 6rem; }} .matrix thead td {{ white-space: normal; }}
}}
"""
