"""The playground in a real browser: completions stream, formulas are rendered, nobody sees the names before a vote."""

import threading
from types import SimpleNamespace

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from feyntune.playground.server import PageServer
from feyntune.playground.session import Growth
from feyntune.report.ratings import read_ratings
from support.chromium import resize

RUNS = {"tiny_base": "base", "tiny_hep-th_all": "all"}
MALICIOUS = '<script>document.title = "hacked"</script><img src=x onerror="document.title=1"> $\\frac{1}{2}$ '


class FakeSession:
    """A session without models, which waits between its two steps until a test says so."""

    devices = ("a CPU",)

    def __init__(self):
        stage = SimpleNamespace(seed=42)
        self.runs = {name: SimpleNamespace(source="tiny", layers=each, stage=stage) for name, each in RUNS.items()}
        self.goes_on, self.prompts = threading.Event(), []

    def complete(self, prompt, names):
        self.prompts.append(prompt)
        yield from (Growth(name, f"{MALICIOUS} {name[5:]}", 4, None) for name in names)
        assert self.goes_on.wait(30)
        yield from (Growth(name, f"{MALICIOUS} {name[5:]} done", 8, "eos") for name in names)


@pytest.fixture
def playing(browser, tmp_path):
    """The page of a fake session, opened; gives browser, session and file of votes."""
    session, votes = FakeSession(), tmp_path / "votes.csv"
    with PageServer() as server:
        server.show(session, votes)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        resize(browser, 1280, 900)
        browser.get(server.address)
        browser.get_log("browser")
        yield browser, session, votes
        session.goes_on.set()
        server.shutdown()
        thread.join()


def element(browser, selector):
    return browser.find_element("css selector", selector)


def texts(browser, selector):
    return [each.text for each in browser.find_elements("css selector", selector)]


def until(browser, condition):
    WebDriverWait(browser, 20, poll_frequency=0.02).until(lambda _: condition())


def test_completions_stream_blind_and_a_vote_is_kept(playing):
    browser, session, votes = playing
    element(browser, "#prompt").send_keys("We study $x^2$ <b>theories</b>.")
    element(browser, "#temperature").send_keys("0.5")
    element(browser, "#start").click()
    until(browser, lambda: texts(browser, ".column .note") == ["4 tokens…"] * 2)
    assert texts(browser, ".column h2") == ["A", "B"]
    assert browser.execute_script("return document.querySelectorAll('.column math mfrac').length") == 2
    assert "<script>" in element(browser, ".column .text").text and "<b>theories</b>" in element(browser, "#shown").text
    assert not element(browser, "#voting").is_displayed()
    session.goes_on.set()
    until(browser, lambda: element(browser, "#voting").is_displayed())
    assert texts(browser, ".column .note") == ["8 tokens, ended by itself"] * 2
    assert session.prompts[0].changes == {"temperature": 0.5} and not votes.exists()
    browser.find_elements("css selector", ".column button")[1].click()
    assert "type your name first" in element(browser, "#state").text and not votes.exists()
    element(browser, "#rater").send_keys("ann")
    browser.find_elements("css selector", ".column button")[1].click()
    until(browser, lambda: texts(browser, ".column h2") != ["A", "B"])
    names = texts(browser, ".column h2")
    shown = [text.split()[-2] for text in texts(browser, ".column .text")]
    assert shown == [name[5:] for name in names] and sorted(names) == sorted(RUNS)
    ratings = {row["model"]: row["score"] for row in read_ratings([votes], None)}
    assert ratings == {names[0]: 0, names[1]: 10}
    assert browser.title == "Complete an abstract" and browser.get_log("browser") == []


def test_stop_ends_it_and_the_names_can_be_shown_without_a_vote(playing):
    browser, session, votes = playing
    element(browser, "#prompt").send_keys("We study")
    element(browser, "#start").click()
    until(browser, lambda: len(texts(browser, ".column")) == 2)
    element(browser, "#stop").click()
    until(browser, lambda: element(browser, "#state").text == "stopped")
    session.goes_on.set()
    element(browser, "#start").click()
    until(browser, lambda: element(browser, "#voting").is_displayed())
    element(browser, "#reveal").click()
    until(browser, lambda: sorted(texts(browser, ".column h2")) == sorted(RUNS))
    assert not votes.exists() and not element(browser, "#voting").is_displayed()


def test_it_fits_a_phone(playing):
    browser, session, _ = playing
    session.goes_on.set()
    resize(browser, 390, 844)
    element(browser, "#prompt").send_keys(f"We study {'x' * 300}")
    element(browser, "#start").click()
    until(browser, lambda: element(browser, "#voting").is_displayed())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
