"""Makes docs/page.png and docs/page-phone.png: the technician's page of the simulated lane after a while.

.venv/bin/python scripts/page_pictures.py [SECONDS]     how long the lane runs before; 120
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PICTURES = {
    "page.png": {"viewport": {"width": 1360, "height": 1000}, "color_scheme": "dark", "locale": "en-GB"},
    "page-phone.png": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "locale": "fr-FR"},
}
TRIED = "0.60"
SCAN_S = 60_000


def main() -> None:
    """Run the demo, look at its page, and end it."""
    wait_s = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    command = [str(ROOT / ".venv/bin/jaitf-edge"), "demo", "--seed", "11"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        try:
            url = next(found[1] for line in demo.stdout if (found := re.match(r"Technician's page: (\S+)", line)))
            time.sleep(wait_s)
            _look(url)
        finally:
            demo.terminate()


def _look(url: str) -> None:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for name, options in PICTURES.items():
            page = chromium.new_page(**options)
            page.goto(url)
            alarm = page.locator("#scan .decision.alarm")
            while True:  # until it shows what was found, and not the bag behind
                alarm.wait_for(timeout=SCAN_S)
                page.locator("#threshold").fill(TRIED)
                page.locator("#threshold").blur()
                page.evaluate("scrollTo(0, 0)")
                page.screenshot(path=ROOT / "docs" / name, animations="disabled", full_page=name == "page.png")
                if alarm.is_visible() and page.locator("#scan rect.box:not(.faint)").count():
                    break
                page.wait_for_timeout(250)
            page.close()
        chromium.close()


if __name__ == "__main__":
    main()
