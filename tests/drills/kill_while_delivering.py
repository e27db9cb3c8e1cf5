"""Drill: `broadsheet deliver` is killed (-9) at random again and again; each reader gets one mail.

Needs nothing: the mail server is its own. One digest per round, of two readers; after the kill time
passes and it is run twice more.

    python tests/drills/kill_while_delivering.py --rounds 40
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from post import OTHER, READER, TO_BOTH, PostOffice, let_time_pass, publish, write_profile

from broadsheet.services import program

LONGEST_SECONDS = 0.5  # of the two mails, from the first one's reader to the second one's end


def main() -> None:
    """Kill, rerun and count; ends with 1 where a mail came twice, or was lost without a word."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=40)
    asked.add_argument("--seed", type=int, default=0)
    told = asked.parse_args()
    chance, found = random.Random(told.seed), Counter[str]()
    office = PostOffice()
    office.at_end = slow
    for _ in range(told.rounds):
        with tempfile.TemporaryDirectory() as home:
            found += round_of(office, Path(home), chance.uniform(0.0, LONGEST_SECONDS))
    office.close()
    print(", ".join(f"{count} {what}" for what, count in sorted(found.items())))
    sys.exit(1 if found["twice"] or found["lost"] else 0)


def slow() -> str:
    """Leave room for a kill between the mail's end and its answer."""
    time.sleep(0.1)
    return "250 OK"


def round_of(office: PostOffice, home: Path, seconds: float) -> Counter[str]:
    """What became of one digest for its two readers."""
    os.environ |= {
        "BROADSHEET_HOME": str(home),
        "BROADSHEET_PROFILES": str(home / "profiles"),
        "BROADSHEET_SMTP_HOST": "127.0.0.1",
        "BROADSHEET_SMTP_PORT": str(office.port),
        "BROADSHEET_SMTP_SECURITY": "none",
        "BROADSHEET_MAIL_FROM": "news@example.org",
    }
    write_profile(home / "profiles", TO_BOTH)
    publish("2601.00001")
    office.readers.clear()
    office.is_asked.clear()
    worker = subprocess.Popen([program("broadsheet"), "deliver"], stdout=subprocess.DEVNULL)
    office.is_asked.wait(60)
    time.sleep(seconds)
    worker.kill()
    worker.wait()
    time.sleep(0.3)  # the server may still be taking it
    said = "".join(later() for _ in range(2))
    got = Counter(office.readers)
    return Counter(verdict(got[name], f"{name}: unknown" in said) for name in (OTHER, READER))


def later() -> str:
    """What another run says when every claim has run out."""
    let_time_pass()
    done = subprocess.run(
        [program("broadsheet"), "deliver"], check=False, capture_output=True, text=True
    )
    return done.stdout


def verdict(mails: int, is_unknown: bool) -> str:
    """What one reader would say of it."""
    if mails > 1:
        return "twice"
    if is_unknown:
        return f"in doubt and told ({mails} arrived)"
    return "once" if mails else "lost"


if __name__ == "__main__":
    main()
