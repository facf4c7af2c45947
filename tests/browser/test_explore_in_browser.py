"""The page of all completions in a real browser, opened as a file: it finds, sorts and searches, and runs no text."""

import numpy
import pyarrow
import pyarrow.parquet
import pytest
from selenium.webdriver.support.ui import Select, WebDriverWait

from feyntune.evaluation.metrics import ReportedMetric
from feyntune.evaluation.metrics.base import Column
from feyntune.report.explore import data
from feyntune.report.explore.page import ExploreJob, run
from feyntune.report.results import PooledFiles
from support.chromium import resize

RUNS = ("base", "ours", "theirs")
COUNT = 50
MALICIOUS = '<script>document.title = "hacked"</script><img src=x onerror="document.title=1"> $\\frac{1}{2}$'
COLUMNS = [
    Column(name="ratio", title="Ratio", key="m_ratio", direction="higher", headline=True, description="A ratio."),
    Column(name="copied_4", title="Copied", key="m_copied_4", direction="lower"),
]
METRIC = ReportedMetric(name="m", title="M", columns=COLUMNS, truncates=False)


def values_of(place):
    """Ratio and copied fraction of each completion of a run."""
    ratio = numpy.arange(COUNT) / COUNT + place / 1000
    if place == 2:
        ratio[7] = -5.0  # the worst completion, and the most disputed abstract
    return {"ratio": ratio, "copied_4": (numpy.arange(COUNT) * 7 % COUNT + place / 10) / COUNT}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of made-up results, with several chunks."""
    folder = tmp_path_factory.mktemp("results")
    ids = [f"2401.{number:05d}" for number in range(COUNT)]
    tables = {"completions": [], "perplexity": [], "m": []}
    for place, name in enumerate(RUNS):
        front = {"set": ["unseen"] * COUNT, "run": [name] * COUNT, "model": ["m"] * COUNT}
        front |= {"dataset": pyarrow.nulls(COUNT, pyarrow.string()), "layers": ["all"] * COUNT, "id": ids}
        texts = {
            "prompt": [f"We study number {number}." for number in range(COUNT)],
            "y_true": [f"It is $x_{{{number}}}$." for number in range(COUNT)],
            "prediction": [f"{name} {'zebra' if number == 33 else 'writes'} {MALICIOUS}" for number in range(COUNT)],
            "new_tokens": [5] * COUNT,
            "stopped": ["eos"] * COUNT,
        }
        scores = dict.fromkeys(("tokens", "nll", "perplexity", "bits_per_byte"), [1.0] * COUNT)
        for kind, columns in (("completions", texts), ("perplexity", scores), ("m", values_of(place))):
            tables[kind].append(pyarrow.table({**front, **columns}))
    for kind, parts in tables.items():
        pyarrow.parquet.write_table(
            pyarrow.concat_tables(parts, promote_options="permissive"), folder / f"{kind}.parquet"
        )
    files = PooledFiles(folder / "completions.parquet", folder / "perplexity.parquet", {"m": folder / "m.parquet"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "CHUNK", 4_000)
        run(ExploreJob(files, [METRIC], folder / "explore/index.html"))
    assert len(list((folder / "explore").glob("data-*/0-texts-*"))) > 2
    return (folder / "explore/index.html").as_uri()


@pytest.fixture
def opened(browser, page):
    """The page, freshly loaded at a desktop's size."""
    resize(browser, 1280, 900)
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(page)
    wait_for(browser, "150 completions")
    return browser


def wait_for(browser, state):
    until(browser, lambda: element(browser, "#state").text == state)


def until(browser, condition):
    WebDriverWait(browser, 20, poll_frequency=0.02).until(lambda _: condition())


def element(browser, selector):
    return browser.find_element("css selector", selector)


def texts(browser, selector):
    return [each.text for each in browser.find_elements("css selector", selector)]


def choose(browser, name, value, state):
    Select(element(browser, f"#{name}")).select_by_value(value)
    wait_for(browser, state)


def first(browser, summaries=1):
    """Texts of the first results' lines."""
    return [" ".join(text.split()) for text in texts(browser, "summary")[:summaries]]


def test_it_loads_as_a_file_without_a_word_on_the_console(opened):
    assert opened.title == "All completions" and opened.get_log("browser") == []
    assert element(opened, "#meaning").text == "Ratio: A ratio."


def test_best_worst_copied_and_disputed_completions_are_found(opened):
    assert first(opened, 2) == [
        "0.982 theirs 2401.00049 We study number 49.",
        "0.981 ours 2401.00049 We study number 49.",
    ]
    choose(opened, "order", "worst", "150 completions")
    assert first(opened) == ["-5 theirs 2401.00007 We study number 7."]
    choose(opened, "order", "disputed", "50 abstracts")
    assert first(opened) == ["5.14 2401.00007 We study number 7."]
    choose(opened, "order", "copied", "150 completions")
    assert first(opened) == ["0.984 theirs 2401.00007 We study number 7."]
    assert Select(element(opened, "#quantity")).first_selected_option.text == "Copied"
    choose(opened, "order", "best", "150 completions")
    assert first(opened) == ["0 base 2401.00000 We study number 0."]  # of this quantity, low values are better


def test_an_abstract_shows_all_runs_beside_the_authors(opened):
    element(opened, "summary").click()
    until(opened, lambda: len(texts(opened, ".card")) == 4)
    assert texts(opened, ".card h2") == ["The authors", *RUNS]
    assert texts(opened, ".card.found h2") == ["theirs"]
    assert texts(opened, ".card .note") == ["", "Ratio 0.980", "Ratio 0.981", "Ratio 0.982"]
    assert element(opened, ".body a").get_attribute("href") == "https://arxiv.org/abs/2401.00049"
    assert opened.execute_script("return document.querySelectorAll('.card math').length") == 4
    assert "<script>" in texts(opened, ".card .text")[1] and opened.title == "All completions"
    assert opened.execute_script("return document.querySelectorAll('.card img, .card script').length") == 0
    assert opened.get_log("browser") == []


def test_results_of_one_run_come_in_pages(opened):
    choose(opened, "run", "1", "50 completions")
    assert len(texts(opened, "summary")) == 20
    for expected in (40, 50):
        element(opened, "#more").click()
        assert len(texts(opened, "summary")) == expected
    assert not element(opened, "#more").is_displayed()
    assert set(texts(opened, ".run")) == {"ours"}


def test_abstracts_and_completions_are_searched(opened):
    element(opened, "#query").send_keys("number 12")
    wait_for(opened, "3 completions")
    assert {line.split()[2] for line in first(opened, 3)} == {"2401.00012"}
    element(opened, "#query").clear()
    element(opened, "#query").send_keys("ZEBRA")
    wait_for(opened, "0 completions")
    choose(opened, "where", "completions", "3 completions")
    assert first(opened) == ["0.662 theirs 2401.00033 We study number 33."]
    choose(opened, "order", "first", "1 abstracts")
    opened.refresh()  # the address keeps what is shown
    wait_for(opened, "1 abstracts")
    assert element(opened, "#query").get_attribute("value") == "ZEBRA"


def test_a_missing_data_file_is_an_error_on_the_page(opened, page):
    opened.execute_script("ABOUT.sets[0].quantities.push(99); byId('quantity').add(new Option('x', 99))")
    opened.execute_script(
        "ABOUT.quantities[99] = {title: 'x', direction: null}; byId('quantity').value = 99; refresh()"
    )
    folder = opened.execute_script("return ABOUT.folder")
    wait_for(opened, f"{folder}/0-values-99.js is missing; keep the folder {folder} beside this page")


def test_it_fits_a_phone(opened):
    resize(opened, 390, 844)
    element(opened, "summary").click()
    until(opened, lambda: len(texts(opened, ".card")) == 4)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= 390
