"""Takes the README's picture of the page: `python -m docs.picture http://127.0.0.1:8080`.

The page is a running `make dev`'s, after `sluice seed` and `sluice compact --older-than 0s`, so
that the picture shows what is compacted, samples and one broken record.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

PICTURE = Path(__file__).with_name("page.png")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
SAMPLES_MS = 60_000
COMPACTING = 1
"""The lines of the drawing over which nothing flows: that to what is compacted."""


def take(address: str, chromium: str) -> None:
    """Write samples and a broken record, and photograph the page while more samples flow."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        tab = browser.new_page(viewport={"width": 1240, "height": 1380})
        tab.goto(address)
        samples = tab.get_by_role("button", name="Write samples")
        tab.get_by_role("button", name="Send a broken record").click()
        for _ in range(2):
            samples.click()
            expect(tab.locator("#outcome")).to_contain_text("changes were", timeout=SAMPLES_MS)
        samples.click()
        still = tab.locator(".drawing.wide .edge:not(.bad, .flowing)")
        expect(still).to_have_count(COMPACTING, timeout=SAMPLES_MS)
        tab.evaluate("scrollTo(0, 0)")
        tab.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    take(sys.argv[1], shutil.which("chromium") or sys.exit("chromium is not installed"))
