"""Draw the site's icon in the sizes that browsers and phones ask for: static/img/favicon.svg -> static/img/*.

Needs Chromium and the tools for tests: `./run scripts/icons.py`. Only a change of the icon needs it again.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import servers

IMAGES = Path(__file__).resolve().parent.parent / "static" / "img"
# With corners of its own, or filled to the edges for systems that cut their own shape, the heart in the safe zone.
ROUND = {"favicon.png": 32, "icon-192.png": 192, "icon-512.png": 512}
FULL = {"icon-maskable-512.png": 512, "apple-touch-icon.png": 180}


def draw(page: Page, svg: str, size: int) -> bytes:
    page.set_viewport_size({"width": size, "height": size})
    page.set_content(
        f"<style>body {{ margin: 0 }} svg {{ display: block; width: {size}px; height: {size}px }}</style>{svg}"
    )
    return page.screenshot(omit_background=True)


def ico(png: bytes, size: int) -> bytes:
    """Return the picture in the container that /favicon.ico has to be."""
    return struct.pack("<3H4B2H2I", 0, 1, 1, size, size, 0, 0, 1, 32, len(png), 22) + png


def main() -> None:
    svg = (IMAGES / "favicon.svg").read_text()
    full = svg.replace(' rx="9"', "").replace('viewBox="0 0 32 32"', 'viewBox="0 0 32 32" style="background:#e2452f"')
    full = full.replace('<path fill="#fff"', '<path transform="translate(3.2 3.2) scale(.8)" fill="#fff"')
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=servers.chromium(), args=["--no-sandbox"])
        page = browser.new_page()
        for name, size in ROUND.items():
            (IMAGES / name).write_bytes(draw(page, svg, size))
        for name, size in FULL.items():
            (IMAGES / name).write_bytes(draw(page, full, size))
        browser.close()
    picture = IMAGES / "favicon.png"
    (IMAGES / "favicon.ico").write_bytes(ico(picture.read_bytes(), ROUND["favicon.png"]))
    picture.unlink()


main()
