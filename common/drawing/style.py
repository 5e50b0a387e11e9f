"""The page's style sheet: light and dark, wide and narrow, and printed."""

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1b2430; --soft: #5a6675; --line: #d5dbe2; --faint: #f3f5f8;
  --c0: #1f5f99; --c1: #c2570c; --c2: #2f7d4f; --c3: #7b4bb3; --c4: #a3195b; --c5: #6b6b00;
  --bad: #b3261e; --ok: #2f7d4f; --other: #9aa7b5; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181d; --ink: #e6eaef; --soft: #a3aebb; --line: #38424d;
  --faint: #1d232a; --c0: #6cb0ee; --c1: #f3a05c; --c2: #6fc793; --c3: #c09af0; --c4: #f07fb0; --c5: #cfcb5a;
  --bad: #ff8a80; --ok: #6fc793; --other: #66727f; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 68rem;
  margin: 0 auto; padding: 1.2rem clamp(0.8rem, 3vw, 2rem) 4rem; overflow-wrap: break-word; }
h1 { font-size: 1.05rem; font-weight: 600; color: var(--soft); margin: 0 0 0.6rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 0.5rem; padding-bottom: 0.2rem; border-bottom: 2px solid var(--line); }
h3 { font-size: 1rem; margin: 0 0 0.3rem; }
p { margin: 0.4rem 0 0.8rem; max-width: 48rem; }
.lead { font-size: clamp(1.15rem, 2.6vw, 1.5rem); line-height: 1.4; margin-bottom: 0.7rem; }
.about { color: var(--soft); }
.soft, figcaption, .key { color: var(--soft); font-size: 0.9rem; }
.warnings { border-left: 4px solid var(--bad); background: var(--faint); padding: 0.7rem 1rem; margin: 1.2rem 0; }
.warnings h2 { border: 0; margin: 0 0 0.3rem; padding: 0; font-size: 1.05rem; }
.warnings ul { margin: 0; padding-left: 1.2rem; } .warnings li { margin: 0.25rem 0; max-width: 48rem; }
.calm { border-left-color: var(--ok); }
nav { font-size: 0.9rem; margin: 1rem 0; } nav a { margin-right: 1rem; display: inline-block; }
a { color: var(--c0); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 0.8rem 0 1.2rem; font-size: 0.93rem; }
caption { text-align: left; font-weight: 600; padding-bottom: 0.3rem; }
th, td { text-align: right; padding: 0.3rem 0 0.3rem 1.1rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { font-weight: 600; vertical-align: bottom; }
th:first-child { text-align: left; padding-left: 0.3rem; min-width: 8.5rem; overflow-wrap: anywhere; }
tbody th { font-weight: 500; vertical-align: top; }
td.words, .wordy td { text-align: left; }
tr.worst { background: var(--faint); } tr.worst th { border-left: 4px solid var(--bad); }
tr.few { color: var(--soft); } tr.all, tr.all th { font-weight: 600; } tr.beside { color: var(--soft); }
.note { display: block; font-size: 0.82rem; font-weight: 400; color: var(--soft); }
.worst th .note { color: var(--bad); } td .note { white-space: nowrap; }
.kept { color: var(--ok); } .broken { color: var(--bad); font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr)); gap: 1.4rem 2rem;
  margin: 1rem 0; }
figure { margin: 0; max-width: 27rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); } svg text.label { fill: var(--ink); }
.grid { stroke: var(--line); stroke-width: 0.6; }
.line { fill: none; stroke: currentColor; stroke-width: 2; } .dot { fill: currentColor; }
.interval { stroke: currentColor; stroke-width: 1.2; opacity: 0.55; }
.reach { fill: transparent; } .reach:hover { fill: currentColor; }
.c0 { color: var(--c0); } .c1 { color: var(--c1); } .c2 { color: var(--c2); } .c3 { color: var(--c3); }
.c4 { color: var(--c4); } .c5 { color: var(--c5); } .bad { color: var(--bad); } .other { color: var(--other); }
.other .line { stroke-width: 1.1; } .guide { color: var(--soft); }
.guide .line { stroke-dasharray: 4 4; stroke-width: 1.2; }
.key { list-style: none; padding: 0; margin: 0.2rem 0; display: flex; flex-wrap: wrap; gap: 0 1rem; }
.swatch { display: inline-block; width: 1rem; height: 0; border-top: 3px solid currentColor; margin-right: 0.35rem;
  vertical-align: middle; }
.swatch.guide { border-top-style: dashed; border-top-width: 2px; }
svg.strip { display: inline-block; width: 7.2rem; } .worst .strip { color: var(--bad); } .few .strip {
  color: var(--other); }
.grid-of-rounds { overflow-x: auto; } .grid-of-rounds table { width: auto; }
.grid-of-rounds th, .grid-of-rounds td { padding: 0.15rem 0.3rem; text-align: center; border: 0; }
.grid-of-rounds th:first-child { text-align: left; white-space: nowrap; min-width: 0; }
.took { color: var(--ok); } .absent { color: var(--other); }
details { margin: 1rem 0; } summary { cursor: pointer; font-weight: 600; }
pre { background: var(--faint); padding: 0.8rem; overflow-x: auto; font-size: 0.82rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: 0.25rem 1.2rem; margin: 0.6rem 0; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 640px) {
  .cards thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  .cards, .cards tbody, .cards tr, .cards th, .cards td { display: block; width: 100%; }
  .cards caption { display: block; width: 100%; }
  .cards tr { border-bottom: 1px solid var(--line); padding: 0.5rem 0.4rem; }
  .cards th, .cards td { border: 0; padding: 0.08rem 0; }
  .cards tbody th { font-weight: 600; }
  .cards tr.worst th { padding-left: 0.5rem; }
  .cards td { display: flex; justify-content: space-between; gap: 1rem; text-align: right; }
  .cards td::before { content: attr(data-label); color: var(--soft); text-align: left; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 0.5rem; }
}
@media print {
  :root { color-scheme: light; } body { font-size: 10pt; max-width: none; padding: 0; } nav { display: none; }
  h2, h3 { break-after: avoid; } figure, tr, .warnings { break-inside: avoid; }
  details::details-content { content-visibility: visible; height: auto; } pre { columns: 2; font-size: 7pt; }
  caption, thead { break-after: avoid; }
}
"""
