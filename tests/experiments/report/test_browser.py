"""The page in a real browser, if Chromium is installed."""

import json
import shutil
import subprocess

import pytest

from nfvae.experiments.report.page import make_page
from nfvae.experiments.tables.collect import collect

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium in PATH"),
]

OFFLINE = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
OWN = "not an origin"  # who asks when the browser does so for itself


@pytest.fixture
def browse(tmp_path):
    """The document as it stands once a page has loaded, what it said, and what it asked for."""

    def load(text):
        file, log = tmp_path / "page.html", tmp_path / "net.json"
        file.write_text(text)
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        logs = ("--enable-logging=stderr", f"--log-net-log={log}", "--virtual-time-budget=10000")
        command = [BROWSER, *OFFLINE, profile, *logs, "--dump-dom", file.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        events = json.loads(log.read_text())["events"]
        requests = [event.get("params", {}) for event in events]
        asked = {r["url"] for r in requests if r.get("initiator", OWN) != OWN and "url" in r}
        return done.stdout, said, asked

    return load


def test_loads_without_messages_or_requests_and_shows_the_results(sweep, browse, read_page):
    document, said, asked = browse(make_page([sweep], collect([sweep])))
    assert said == []
    assert asked == set()
    page = read_page(document)
    head, *rows = page.tables["runs"]
    shown = {row[-1]: row[head.index("−ELBO")] for row in rows}
    made = {str(file.parent): json.loads(file.read_text()) for file in sweep.glob("*/results.json")}
    assert shown == {
        folder: f"{run['neg_elbo']:.2f} ± {run['neg_elbo_se']:.2f}" for folder, run in made.items()
    }


def test_would_notice_requests_and_messages(sweep, browse):
    page = make_page([sweep], collect([sweep])).replace(
        "<main>", '<main><img src="http://nowhere.invalid/a.png">'
    )
    _, said, _ = browse(page)
    assert any("Content Security Policy" in line for line in said)
    start = page.index('<meta http-equiv="Content-Security-Policy"')
    _, _, asked = browse(page[:start] + page[page.index(">", start) + 1 :])
    assert asked == {"http://nowhere.invalid/a.png"}
