"""The README says what is true: its commands run, its settings are those of settings.py, its links lead somewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.sites import Site

if TYPE_CHECKING:
    from playwright.async_api import Browser

SITE = "http://localhost:8000"


@pytest.fixture
def readme(checkout: Path) -> str:
    return (checkout / "README.md").read_text()


def blocks(readme: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)


@pytest.fixture
def live_video(site: Site) -> str:
    """A live video on the shared site; returns its id."""
    code = (
        "from accounts.guests import create_guest; from videos import broadcasts as i;"
        "o = create_guest('Studio'); o.is_broadcaster = True; o.save();"
        "v = i.create_video(o, title='Read me'); i.start_video(v.id, o); print('id', v.id)"
    )
    return site.manage("shell", "--no-imports", "-c", code).stdout.split()[-1]


def test_shell_example_works_when_pasted(site: Site, readme: str, live_video: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl: none, the README's shell example is not run")
    [example] = blocks(readme, "sh")
    pasted = example.replace(SITE, site.urls[0]).replace("--max-time 5", "--max-time 1")
    assert site.urls[0] in pasted
    done = subprocess.run(["bash", "-eu", "-c", pasted], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"mine":"love"' in done.stdout
    assert '"body":"Hello from curl"' in done.stdout
    assert '"unread":1' in done.stdout
    assert "event: hello" in done.stdout
    stored = httpx.get(f"{site.urls[0]}/api/v1/videos/{live_video}").json()
    assert stored["likes"]["kinds"]["love"] == 1


async def test_browser_examples_work_when_pasted(site: Site, readme: str, live_video: str, browser: Browser) -> None:
    page = await browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    await page.goto(f"{site.urls[0]}/videos/{live_video}/")
    for example in blocks(readme, "js"):
        said.clear()
        await page.evaluate(f"{example}\n;undefined")  # a value that is a function would be called
        while not any("snapshot" in line or "hello" in line or "ack" in line for line in said):
            await page.wait_for_timeout(20)
        assert not [line for line in said if "rror" in line]
    await page.close()


def test_every_setting_of_the_table_is_read_and_every_one_read_is_in_the_table(readme: str, checkout: Path) -> None:
    table = readme.partition("## Settings")[2].partition("## Where")[0]
    listed = {
        name for row in re.findall(r"^\| (`[^|]*)\|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    settings = "\n".join(path.read_text() for path in (checkout / "liveplatform").glob("*settings.py"))
    readers = r"(?:_?integer|_share|_?switch|read|_url|_list|_file|env\.\w+)"
    read = set(re.findall(readers + r'\(\s*"([A-Z_]+)"', settings))
    assert listed == read


def test_links_of_the_documents_lead_somewhere(checkout: Path) -> None:
    broken = [
        f"{document.name}: {target}"
        for document in (checkout / "README.md", *(checkout / "docs").glob("*.md"))
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text())
        if not (document.parent / target).exists()
    ]
    assert broken == []


def test_start_commands_are_the_two_that_it_promises(readme: str) -> None:
    assert [block.strip() for block in blocks(readme, "")][:2] == ["./run", "./run -m pytest"]


def test_tests_and_benchmarks_beside_the_published_platform_are_there(checkout: Path) -> None:
    text = (checkout / "docs" / "published.md").read_text()
    table = [row for row in text.splitlines() if row.startswith("|")][2:]
    tests = [re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", row) for row in table]
    assert len(table) == 12
    assert all(tests)
    for path, name in {each for row in tests for each in row}:
        assert (checkout / path).exists(), path
        assert not name or f"def {name}(" in (checkout / path).read_text(), (path, name)
    benchmarks = re.findall(r"`(benchmarks/\w+\.py)`", text)
    assert len(benchmarks) >= 3
    measured = (checkout / "docs" / "benchmarks.md").read_text()
    assert [name for name in benchmarks if not (checkout / name).exists() or name not in measured] == []


def test_figures_beside_the_published_ones_are_those_of_the_benchmarks(checkout: Path) -> None:
    """Whoever measures again must not forget the other page."""
    text = (checkout / "docs" / "published.md").read_text()
    measured = (checkout / "docs" / "benchmarks.md").read_text()
    for figure in ("1,009,900", "119,622", "334,000", "46.5 ms", "16.2 µs", "10.4 µs", "9.4 ms", "66 and 82 ms"):
        assert figure in text
        assert figure in measured
