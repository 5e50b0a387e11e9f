"""Put what was measured into docs/performance.md: no figure on that page is typed by hand.

    python benchmarks/page.py

Every `<!-- NAME -->` ... `<!-- end -->` of the page gets the table, plot and notes of docs/performance/NAME.json.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BLOCK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def markdown(name: str, result: dict[str, Any]) -> str:
    """Command, table, plot and notes of one benchmark."""
    columns = result["columns"]
    lines = [f"| {' | '.join(columns)} |", f"|---|{'---:|' * (len(columns) - 1)}"]
    lines += [f"| {' | '.join(row)} |" for row in result["rows"]]
    notes = [f"- {note}" for note in (*result["notes"], result["machine"])]
    return "\n".join(
        (f"`{result['command']}`", "", *lines, "", f"![{result['title']}](performance/{name}.png)", "", *notes, "")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    missing = []

    def filled(block: re.Match[str]) -> str:
        file = PAGE.parent / "performance" / f"{block[2]}.json"
        if not file.is_file():
            missing.append(block[2])
            return block[0]
        return block[1] + markdown(block[2], json.loads(file.read_text(encoding="utf-8"))) + block[3]

    PAGE.write_text(BLOCK.sub(filled, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{PAGE} written" + (f"; not measured yet: {', '.join(missing)}" if missing else ""))


if __name__ == "__main__":
    main()
