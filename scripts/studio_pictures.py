"""Pictures of the studio for the docs: `python scripts/studio_pictures.py URL docs/pictures`. Needs Chromium."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--autoplay-policy=no-user-gesture-required"]


def shot(page: Page, path: Path) -> None:
    """A picture in 256 colours: a third of the bytes."""
    page.screenshot(path=path)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256)
    small.save(path, optimize=True)


def main() -> None:
    url, out = sys.argv[1], Path(sys.argv[2])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGS)
        page = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark").new_page()
        page.set_default_timeout(180_000)
        page.goto(url)
        page.wait_for_selector("html[data-ready]")
        page.locator('input[name="count"][value="12"]').check(force=True)
        page.click("#generate")
        page.wait_for_selector(".pad.on")
        page.wait_for_selector(".pad.busy", state="detached")
        page.locator('input[name="mode"][value="layer"]').check(force=True)
        for number in (5, 9, 10):
            page.locator(".pad .face").nth(number).click()
        page.locator(".pad .face").nth(2).focus()
        page.keyboard.press("s")
        page.locator(".pad .face").nth(9).focus()
        page.keyboard.press("s")
        page.wait_for_timeout(2000)
        shot(page, out / "studio-dark.png")
        page.click("#theme")
        page.wait_for_timeout(800)
        shot(page, out / "studio-light.png")
        page.click("#theme")
        page.set_viewport_size({"width": 390, "height": 844})
        page.wait_for_timeout(800)
        shot(page, out / "studio-phone.png")
        page.set_viewport_size({"width": 1440, "height": 900})
        page.click("#tab-runs")
        page.wait_for_timeout(2500)
        if page.locator("#curves figure").count():
            shot(page, out / "studio-training.png")
        browser.close()


if __name__ == "__main__":
    main()
