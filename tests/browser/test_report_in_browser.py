"""The report in a real browser: it loads, runs nothing but its own script, asks no network, and fits a phone."""

import json
import subprocess
import sys

import pytest

from feyntune.core.files import write_json
from feyntune.core.fingerprint import SCRIPTS
from support import made_results
from support.chromium import resize
from support.metrics import SEMSCORE

LONG_FORMULA = "$S = " + "+".join(["x_n^2"] * 60) + "$"
MALICIOUS = (
    '<script>document.title = "hacked"</script> $\\text{<img src=x onerror="document.title=1">}$ '
    '$\\href{javascript:alert(1)}{x}$ <img src="http://example.org/x.png"> $\\frac{1}{2}$ '
    f"unbroken{'x' * 300} {LONG_FORMULA}"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of made-up results, made by the programs as the workflow runs them."""
    folder = tmp_path_factory.mktemp("results")
    made_results.make_results(folder, prompt=MALICIOUS, prediction=f"We find {MALICIOUS}")
    made_results.make_adapters(folder)
    made_results.make_matrices(folder)
    made_results.make_benchmarks(folder)
    rows = {"train": 700, "test": 150, "validation": 150}
    summary = {"rows": rows, "words": {"median": 120.0}, "categories": {"hep-th": 990, "gr-qc": 10}}
    write_json(folder / "datasets/hep-th/summary.json", summary)
    uncertainty = {"resamples": 199}
    predicted = {"planned": 0, "seconds": 60.0, "gpus": 0, "peak_memory_bytes": 2e9}
    write_json(folder / "plan.json", {"jobs": {"train/unseen/one": [predicted]}})
    run("tables.py", folder, {"seed": 1, "uncertainty": uncertainty, "compared_layers": [["all", "qkv"]]})
    run("figures.py", folder, {"seed": 1, "heatmap_rows": 10})
    run("report.py", folder, {"seed": 1, "abstracts": 3})
    return folder / "report.html"


def run(program, folder, settings):
    pooled = {
        kind: made_results.pooled(folder, kind) for kind in ("completions", "perplexity", "similarity", "semscore")
    }
    history = sorted(folder.glob("adapters/*/history.parquet"))
    own = {
        "tables.py": ["--similarity", pooled["similarity"], "--output-folder", folder / "tables"],
        "figures.py": [
            *("--tables", folder / "tables", "--output-folder", folder / "figures", "--costs", folder / "costs"),
            *("--matrices", *sorted(folder.glob("similarity/unseen/*.pt")), "--history", *history),
            *("--benchmarks", *sorted(folder.glob("costs/**/*.tsv"))),
        ],
        "report.py": [
            *("--tables", folder / "tables", "--figures", folder / "figures", "--output", folder / "report.html"),
            *("--records", *sorted(folder.glob("adapters/*/run.json")), "--history", *history),
            *("--datasets", folder / "datasets/hep-th/summary.json"),
            *("--benchmarks", *sorted(folder.glob("costs/**/*.tsv")), "--costs", folder / "costs"),
            *("--plan", folder / "plan.json"),
        ],
    }[program]
    shared = ["--completions", pooled["completions"], "--perplexity", pooled["perplexity"]]
    settings = {**settings, "metrics": [SEMSCORE.model_dump(mode="json")]}
    shared += ["--metrics", f"semscore={pooled['semscore']}", "--settings", json.dumps(settings)]
    subprocess.run([sys.executable, SCRIPTS / program, *shared, *own], check=True)


@pytest.fixture
def opened(browser, page):
    """The page, freshly loaded at a desktop's size."""
    resize(browser, 1280, 900)
    browser.get(page.as_uri())
    return browser


def column(browser, table, position):
    """Texts of a column of the table under a heading."""
    script = """
      const table = document.querySelector(`#table-${arguments[0]} ~ .scroll table`);
      return Array.from(table.tBodies[0].rows, (row) => row.cells[arguments[1]].textContent);
    """
    return browser.execute_script(script, table, position)


def test_it_loads_without_a_word_on_the_console(opened):
    assert opened.title == "Fine-tuning on arXiv abstracts: report"
    assert opened.get_log("browser") == []
    assert opened.execute_script("return Array.from(document.images).every((one) => one.naturalWidth > 100)")
    assert opened.execute_script("return document.images.length") == 8


def test_it_asks_no_network(browser, page):
    browser.get_log("performance")
    browser.get(page.as_uri())
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert page.as_uri() in asked
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}


def test_untrusted_text_stays_text(opened):
    first = opened.find_element("css selector", ".prompt").text
    assert '<script>document.title = "hacked"</script>' in first
    assert opened.execute_script("return document.querySelectorAll('script').length") == 1
    assert opened.execute_script("return document.querySelectorAll('[onerror], [href^=javascript]').length") == 0
    assert opened.execute_script("return document.querySelectorAll('.prompt math mfrac').length") > 0


def test_even_an_unescaped_script_could_not_run(opened):
    slip = "const s = document.createElement('script'); s.textContent = 'document.title = 1'; document.body.append(s);"
    opened.execute_script(slip)
    assert opened.title == "Fine-tuning on arXiv abstracts: report"
    assert "Content Security Policy" in opened.get_log("browser")[0]["message"]


def test_the_true_continuation_comes_first(opened):
    cards = opened.find_elements("css selector", "details[open] .card h4")
    assert [card.text for card in cards] == ["The authors", *(run["run"] for run in made_results.RUNS)]


def test_tables_sort_by_number_and_by_text(opened):
    heading = opened.find_element("css selector", "#table-summary ~ .scroll th:nth-child(3) button")
    assert heading.text.startswith("Perplexity")
    before = column(opened, "summary", 2)
    numbers = sorted(before[:-1], key=lambda text: float(text.split()[0]))
    heading.click()
    assert column(opened, "summary", 2) == [*numbers, "–"]
    heading.click()
    assert column(opened, "summary", 2) == [*reversed(numbers), "–"]
    assert heading.find_element("xpath", "..").get_attribute("aria-sort") == "descending"
    opened.find_element("css selector", "#table-summary ~ .scroll th:first-child button").click()
    names = [name.rstrip("†‡") for name in column(opened, "summary", 0)]
    assert names == sorted(run["run"] for run in made_results.RUNS)


def test_predicted_stands_beside_measured(opened):
    rows = opened.find_elements("css selector", "#costs ~ .scroll:not(.tall) tbody tr")
    cells = [cell.text for cell in rows[0].find_elements("css selector", "td")]
    assert cells == ["train", "1", "1.0", "1.5", "1.50", "2.0", "0.10"]
    assert "1 of 2 measured jobs were planned" in opened.find_element("css selector", "#costs + .caption").text


def test_it_fits_a_phone(opened):
    resize(opened, 390, 844)
    for details in opened.find_elements("css selector", "details:not([open])"):
        opened.execute_script("arguments[0].open = true", details)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= 390
    wide = """
      return Array.from(document.querySelectorAll('p, h1, h2, h3, li, .card')).filter(
        (one) => one.getBoundingClientRect().right > 390).length;
    """
    assert opened.execute_script(wide) == 0
