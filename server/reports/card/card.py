"""Put a model card together and write it: as Markdown with a metadata block, and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from fedgraft.common.drawing.markup import Html, together, words
from fedgraft.common.drawing.numbers import figure
from fedgraft.common.runtime.files import replacing
from fedgraft.server.reports.card.answers import ai_act, tripod
from fedgraft.server.reports.card.items import AI_ACT, CHECKLISTS, TRIPOD, Checklist
from fedgraft.server.reports.card.metadata import metadata
from fedgraft.server.reports.crowd import weakest
from fedgraft.server.reports.page.folder import RunFolder
from fedgraft.server.reports.page.verdict import model, verdict
from fedgraft.server.reports.page.warnings import every_warning

MARKDOWN, JSON = "model-card.md", "model-card.json"
KNOWN, TODO = "From the run: ", "TODO: "
LICENCE = "Under which licence may others use the model (the block's `license`)?"
HOW = "A person ticks an item once its question is answered; what the run itself knows is there."
_SPECIAL = re.compile(r"([\\`*_\[\]|#<>&])")


def write_card(folder: Path, run: RunFolder) -> tuple[Path, ...]:
    """Write both files into a folder; the same run gives the same bytes."""
    content = card(run)
    texts = {MARKDOWN: markdown(content), JSON: json.dumps(content, indent=2, ensure_ascii=False) + "\n"}
    for name, text in texts.items():
        with replacing(folder / name) as partial:
            partial.write_text(text, encoding="utf-8")
    return tuple(folder / name for name in texts)


def card(run: RunFolder) -> dict[str, Any]:
    """The content of ``model-card.json``: ``metadata``, ``title``, ``summary`` and ``warnings`` (sentences),
    ``figures`` (by site), and of each checklist its items: ``answer`` (from the run; null if it knows nothing of it)
    and ``todo``, the question to people."""
    known = {TRIPOD.key: tripod(run), AI_ACT.key: ai_act(run)}
    return {
        "metadata": metadata(run),
        "title": f"A model that {run.task.purpose}",
        "summary": [*_paragraphs(verdict(run)), *_paragraphs(model(run))],
        "warnings": [words(together([one] if isinstance(one, str) else one)) for one in every_warning(run)],
        "heading": run.heading,
        "figures": {
            name: {
                "cases": one["cases"],
                run.headline: run.shown(name, run.headline),
                "interval": None if run.too_few(name) else run.interval(name),
                "too_few": run.too_few(name),
                "blurred": run.is_blurred(name),
            }
            for name, one in run.sites.items()
        },
        "headline": run.headline,
        **{one.key: list(_items(one, known[one.key])) for one in CHECKLISTS},
    }


def _items(checklist: Checklist, known: Mapping[str, str]) -> Iterator[dict[str, str | None]]:
    for item in checklist.items:
        answer = known.get(item.number)
        yield {"item": item.number, "name": item.name, "answer": answer, "todo": item.question}


def _paragraphs(html: Html) -> list[str]:
    """The words of each paragraph, and of each row of a table with its columns' headings."""
    flat = html.replace("</caption>", ":</p>")
    for pattern, told in _CELLS:
        flat = pattern.sub(told, flat)
    return [found for part in re.split(r"</p>|</tr>", flat) if (found := words(Html(part)))]


_CELLS = (
    (re.compile(r"<thead>.*?</thead>", re.DOTALL), ""),
    (re.compile(r'</th><td data-label="([^"]*)">'), r"</th>: \1 "),
    (re.compile(r'</td><td data-label="([^"]*)">'), r"</td>; \1 "),
)


def markdown(content: Mapping[str, Any]) -> str:
    """The content as Markdown, under its metadata block; names that strangers gave are escaped."""
    block = yaml.safe_dump(content["metadata"], sort_keys=False, allow_unicode=False)
    lines = [f"---\n{block}---", "", f"# {plain(content['title'])}", ""]
    for sentence in content["summary"]:
        lines += [plain(sentence), ""]
    lines += ["## Before you rely on it", ""]
    lines += [f"- {plain(one)}" for one in content["warnings"] or ["Nothing in the run's figures warns of anything."]]
    lines += [
        "",
        "This is research software, not a medical device.",
        "",
        "## Licence",
        "",
        f"- [ ] {TODO}{LICENCE}",
        "",
    ]
    lines += ["## Figures by hospital", "", f"| hospital | cases | {content['heading']} | 95 % interval |"]
    lines += ["|---|---:|---:|---:|"]
    figures = content["figures"]
    shown = weakest(figures, content["headline"], {name for name, one in figures.items() if one["too_few"]})
    lines += [_figures(name, figures[name], content["headline"]) for name in shown]
    if len(shown) < len(figures):
        which = f"The {len(shown)} weakest of" if shown else "None has a figure of"
        lines += ["", f"{which} {len(figures):,}; model-card.json has all."]
    for checklist in CHECKLISTS:
        lines += ["", f"## {checklist.title}", "", f"After {checklist.source}. {HOW}", ""]
        lines += [_line(item) for item in content[checklist.key]]
    return "\n".join(lines) + "\n"


def _figures(name: str, one: Mapping[str, Any], headline: str) -> str:
    ends = "too few to say" if one["too_few"] else "none"
    if one["interval"]:
        ends = f"{one['interval'][0]:.3f} to {one['interval'][1]:.3f}"
    missing = "not given" if one["blurred"] else "undefined"
    value = figure(one[headline]) if one[headline] is not None else missing
    return f"| {plain(name)} | {one['cases']} | {value} | {ends} |"


def _line(item: Mapping[str, Any]) -> str:
    head = f"**{item['item']} {item['name']}.**"
    if item["answer"] is None:
        return f"- [ ] {head} {TODO}{item['todo']}"
    return f"- [ ] {head} {KNOWN}{plain(item['answer'])} {TODO}{item['todo']}"


def plain(text: str) -> str:
    """Text in which nothing is Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
