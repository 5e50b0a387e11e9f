"""What the consoles' pages look like beside the house's style sheet, and the lines of script that keep them live."""

from fedgraft.common.drawing.style import STYLE

CONSOLE_CSS = (
    STYLE
    + """
body { max-width: 78rem; }
header { display: flex; flex-wrap: wrap; gap: 0.2rem 1.4rem; align-items: baseline; }
header h1 { margin: 0; } header form.inline { margin: 0 0 0 auto; } p.line, p.lead { max-width: none; }
.skip { position: absolute; left: -99rem; } .skip:focus { position: static; }
nav a[aria-current] { color: var(--ink); font-weight: 600; text-decoration: none; }
h2 { margin-top: 1.8rem; }
a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible, textarea:focus-visible,
summary:focus-visible { outline: 3px solid var(--c1); outline-offset: 2px; }
button { font: inherit; padding: 0.3rem 0.9rem; border: 1px solid var(--c0); border-radius: 0.3rem; cursor: pointer;
  background: var(--c0); color: var(--ground); }
header button { padding: 0.1rem 0.6rem; font-size: 0.9rem; } [hidden] { display: none; }
button.quiet { background: transparent; color: var(--c0); }
button.grave { background: transparent; border-color: var(--bad); color: var(--bad); }
form { margin: 0.4rem 0; } form.inline { display: inline-block; margin: 0.2rem 0.6rem 0.2rem 0; }
label { display: block; margin: 0.5rem 0 0.15rem; font-weight: 600; font-size: 0.93rem; }
label.tick { font-weight: 400; } .hint { color: var(--soft); font-size: 0.85rem; font-weight: 400; }
input, select, textarea { font: inherit; padding: 0.3rem 0.5rem; border: 1px solid var(--other); border-radius: 0.3rem;
  background: var(--ground); color: var(--ink); max-width: 100%; }
input[type=checkbox] { margin-right: 0.5rem; }
textarea { width: 100%; min-height: 12rem; font: 0.85rem/1.4 ui-monospace, monospace; }
.told { border-left: 4px solid var(--ok); background: var(--faint); padding: 0.5rem 1rem; margin: 0.8rem 0; }
.told.wrong { border-left-color: var(--bad); }
.state { font-weight: 600; } .good { color: var(--ok); } .watch { color: var(--c1); }
table.cards { width: 100%; } td, th { padding-left: 0.8rem; } td.words, .wordy td, .wordy th { text-align: left; }
.wordy th:first-child { min-width: 6rem; }
.unseen-caption caption { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
td details { margin: 0; } td summary { font-weight: 400; }
code, .mono { font-family: ui-monospace, monospace; font-size: 0.88rem; overflow-wrap: anywhere; }
.line-to-copy { user-select: all; background: var(--faint); padding: 0.5rem 0.8rem; display: block; }
@media (max-width: 640px) { .cards td { text-align: right; } .cards td > * { max-width: 70%; }
  .cards td:empty, .cards td.none { display: none; } }
"""
)

CONSOLE_JS = """\
"use strict";
const parts = document.querySelectorAll("[data-live]"), said = document.getElementById("live");
if (parts.length) {
  const source = new EventSource("/events");
  for (const part of parts) source.addEventListener(part.dataset.live, (event) => {
    const at = document.activeElement, held = part.contains(at) ? at.id : "";
    const typed = [...part.querySelectorAll("input, textarea")].some((one) => one.value !== one.defaultValue);
    if (typed || (part.contains(at) && !held)) return;
    const open = [...part.querySelectorAll("details")].map((one) => one.open);
    part.innerHTML = JSON.parse(event.data);
    part.querySelectorAll("details").forEach((one, place) => { one.open = Boolean(open[place]); });
    if (held) document.getElementById(held)?.focus();
  });
  source.onopen = () => { said.textContent = "live"; };
  source.onerror = () => { said.textContent = "not connected; what is shown is old"; };
  const pause = document.getElementById("pause");
  pause.hidden = false;
  pause.onclick = () => {
    if (source.readyState === EventSource.CLOSED) return location.reload();
    source.close();
    said.textContent = "paused";
    pause.textContent = "Go on";
  };
}
"""
"""Puts what the server rendered in the place of what it rendered before; a part into which something was typed, or in
which the keyboard's focus rests on something without a name, waits, so that nobody loses it."""
