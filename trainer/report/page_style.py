"""The style of the report's page: light, dark and printed.

The colours of series are those of Okabe & Ito, "Color Universal Design" (2008), which
people with any kind of colour vision tell apart; darker ones of them on white.
"""

CSS = """
:root { color-scheme: light dark; --text: #1b1f24; --muted: #59636e; --paper: #ffffff;
  --panel: #f5f7f9; --grid: #d9dee3; --heat: #56b4e9; --series-1: #0072b2;
  --series-2: #d55e00; --series-3: #009e73; --warn: #b34700 }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ec; --muted: #9aa4ae;
  --paper: #14171a; --panel: #1e2226; --grid: #3a4148; --heat: #0072b2;
  --series-1: #56b4e9; --series-2: #e69f00; --series-3: #2fc79a; --warn: #ffb070 } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; margin: 0 auto;
  max-width: 72rem; padding: 1.5rem 1rem 4rem; color: var(--text);
  background: var(--paper) }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; overflow-wrap: anywhere }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; border-bottom: 1px solid var(--grid);
  padding-bottom: .25rem }
h3 { font-size: 1rem; margin: 1.25rem 0 .5rem }
p { max-width: 46rem; margin: .5rem 0 } .muted, figcaption { color: var(--muted) }
.warn { color: var(--warn) }
.tiles { display: grid; gap: .75rem; margin: 1.25rem 0;
  grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)) }
.tile { background: var(--panel); border-radius: .5rem; padding: .75rem 1rem }
.tile b { display: block; font-size: 1.5rem; line-height: 1.2 }
.tile span { color: var(--muted); font-size: .85rem }
.plots { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)) }
figure { margin: 0; min-width: 0 } figure h3 { margin: 0 }
figcaption { font-size: .85rem; max-width: 40rem }
svg { width: 100%; height: auto; max-width: 36rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .9rem }
th, td { padding: .25rem .75rem; border-bottom: 1px solid var(--grid); text-align: left;
  vertical-align: top; overflow-wrap: anywhere }
td:first-child, th { overflow-wrap: normal }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .9em }
.mistakes { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)) }
.mistake { background: var(--panel); border-radius: .5rem; overflow: hidden;
  font-size: .85rem; line-height: 1.35 }
.mistake img, .mistake .none { display: block; width: 100%; height: 9.5rem;
  object-fit: contain; background: #808080 }
.mistake .none { padding: 1rem; color: #fff }
.mistake div.text { padding: .5rem .75rem; overflow-wrap: anywhere }
.mistake .line { display: flex; justify-content: space-between; gap: .5rem }
.mistake .line span:last-child { white-space: nowrap }
.mistake small { color: var(--muted) }
@media print { :root { color-scheme: light; --text: #000; --muted: #444; --paper: #fff;
    --panel: #f2f2f2; --grid: #ccc; --heat: #56b4e9; --series-1: #0072b2;
    --series-2: #d55e00; --series-3: #009e73; --warn: #8a3600 }
  body { max-width: none; padding: 0; font-size: 10pt }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact }
  h2, h3 { break-after: avoid } figure, .tile, .mistake, tr { break-inside: avoid }
  .plots { grid-template-columns: 1fr 1fr }
  .scroll { overflow: visible } }
"""
