"""What every named question costs on a home's history, from opening the warehouse to the rows.

    BROADSHEET_HOME=data python benchmarks/questions.py

The median of five, in seconds; the search index is made before.
"""

from __future__ import annotations

import statistics
import time

from broadsheet import asking, search
from broadsheet.config import load_settings
from broadsheet.lake import Lake


def main() -> None:
    settings = load_settings()
    search.refresh(Lake(settings.lake_root), settings.home)
    anyone = asking.ask("select paper_id from papers order by upvotes desc limit 1", None, [])
    known = {"paper_id": anyone["paper_id"][0].as_py(), "q": "flow matching"}
    print(f"{'question':24} rows  seconds  CPU seconds")
    for question in asking.named():
        values = {name: known[name] for name in question.params if name in known}
        seconds, cpu = [], []
        for _ in range(5):
            began, used = time.monotonic(), time.process_time()
            rows = asking.answer(question, values, settings)
            seconds.append(time.monotonic() - began)
            cpu.append(time.process_time() - used)
        told = f"{statistics.median(seconds):8.3f}  {statistics.median(cpu):8.3f}"
        print(f"{question.short_name:24} {len(rows):4} {told}")


if __name__ == "__main__":
    main()
