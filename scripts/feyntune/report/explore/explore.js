"use strict";
// Data are scripts in a folder beside the page that call explore(name, data): a page that is opened as a file may load
// nothing else. HTML of texts was made safe when the data were written; everything else is set as text.
const ABOUT = JSON.parse(document.getElementById("about").textContent);
const PAGE = 20;
const MOST_CHUNKS = 60;
const byId = (id) => document.getElementById(id);
const arrivals = new Map();
const loaded = new Map();

function explore(name, data) {
  arrivals.get(name)(data);
}
function load(name) {
  if (!loaded.has(name)) {
    loaded.set(name, new Promise((resolve, reject) => {
      const script = document.createElement("script");
      arrivals.set(name, resolve);
      script.src = `${ABOUT.folder}/${name}.js`;
      script.onload = () => script.remove();
      script.onerror = () => {
        loaded.delete(name);
        reject(new Error(`${ABOUT.folder}/${name}.js is missing; keep the folder ${ABOUT.folder} beside this page`));
      };
      document.head.append(script);
    }).finally(() => arrivals.delete(name)));
  }
  return loaded.get(name);
}
async function loadChunk(place, number) {
  const name = `${place}-texts-${number}`;
  const chunk = await load(name);
  loaded.delete(name);
  loaded.set(name, Promise.resolve(chunk));
  const chunks = Array.from(loaded.keys()).filter((each) => each.includes("-texts-"));
  for (const old of chunks.slice(0, -MOST_CHUNKS)) loaded.delete(old);
  return chunk;
}
async function loadValues(place, quantity) {
  const name = `${place}-values-${quantity}`;
  const data = await load(name);
  if (typeof data !== "string") return data;
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const values = new Float32Array(bytes.buffer);
  loaded.set(name, Promise.resolve(values));
  return values;
}

// What to show
const STATE = ["set", "order", "quantity", "run", "query", "where"];
let generation = 0;
let ranked = null;
let shown = 0;

function current() {
  const place = Number(byId("set").value);
  return { place, set: ABOUT.sets[place], quantity: Number(byId("quantity").value), order: byId("order").value,
    run: byId("run").value === "" ? null : Number(byId("run").value),
    words: byId("query").value.toLowerCase().split(/\s+/).filter(Boolean), where: byId("where").value };
}
// Marks (1) of the abstracts, or of the completions (abstract x run), that have all words; null: no words.
async function matching(asked, isCurrent) {
  if (!asked.words.length) return null;
  const has = (text) => asked.words.every((word) => text.includes(word));
  const runs = asked.set.runs.length;
  if (asked.where === "abstracts") {
    const [index, texts] = await Promise.all([load(`${asked.place}-index`), load(`${asked.place}-abstracts`)]);
    return { marks: Uint8Array.from(texts, (text, at) => has(`${index.ids[at]} ${text}`.toLowerCase())), per: runs };
  }
  const marks = new Uint8Array(asked.set.count * runs);
  for (let start = 0, number = 0; start < asked.set.count; start += asked.set.perChunk, number++) {
    const chunk = await loadChunk(asked.place, number);
    if (!isCurrent()) return null;
    chunk.forEach((row, at) => row[2].forEach((pair, run) => {
      if (pair && has(plain(pair[0]).toLowerCase())) marks[(start + at) * runs + run] = 1;
    }));
    say(`searching… ${Math.min(start + asked.set.perChunk, asked.set.count).toLocaleString()} abstracts`);
  }
  return { marks, per: 1 };
}
function plain(text) {
  return typeof text === "string" ? text : text[0];
}
// Ranked results: completions (abstract x run), or abstracts, whose value is then the spread between runs.
function rank(asked, values, matches) {
  const runs = asked.set.runs.length;
  const matched = (pair) => !matches || matches.marks[matches.per === 1 ? pair : Math.floor(pair / runs)] === 1;
  if (asked.order === "first" || asked.order === "disputed") return rankAbstracts(asked, values, matched);
  const pairs = new Uint32Array(values.length);
  let count = 0;
  for (let pair = asked.run ?? 0; pair < values.length; pair += asked.run === null ? 1 : runs) {
    if (!Number.isNaN(values[pair]) && matched(pair)) pairs[count++] = pair;
  }
  const sign = isHighFirst(asked) ? -1 : 1;
  const sorted = pairs.subarray(0, count).sort((a, b) => sign * (values[a] - values[b]) || a - b);
  return { count, at: (place) => ({ abstract: Math.floor(sorted[place] / runs), run: sorted[place] % runs,
    value: values[sorted[place]] }) };
}
function rankAbstracts(asked, values, matched) {
  const runs = asked.set.runs.length;
  const spreads = new Float32Array(asked.set.count);
  const kept = [];
  for (let abstract = 0; abstract < asked.set.count; abstract++) {
    let [low, high, any] = [Infinity, -Infinity, false];
    for (let pair = abstract * runs; pair < (abstract + 1) * runs; pair++) {
      if (values[pair] < low) low = values[pair];
      if (values[pair] > high) high = values[pair];
      any ||= matched(pair);
    }
    spreads[abstract] = high - low;
    if (any && (asked.order === "first" || spreads[abstract] >= 0)) kept.push(abstract);
  }
  if (asked.order === "disputed") kept.sort((a, b) => spreads[b] - spreads[a] || a - b);
  return { count: kept.length, at: (place) => ({ abstract: kept[place], run: null,
    value: asked.order === "disputed" ? spreads[kept[place]] : null }) };
}
function isHighFirst(asked) {
  const lowIsBetter = ABOUT.quantities[asked.quantity].direction === "lower";
  return asked.order === "copied" || (asked.order === "best") !== lowIsBetter;
}
async function refresh() {
  const mine = ++generation;
  const isCurrent = () => mine === generation;
  const asked = current();
  byId("results").replaceChildren();
  byId("more").hidden = true;
  say("loading…");
  try {
    const [index, values] = await Promise.all([
      load(`${asked.place}-index`), loadValues(asked.place, asked.quantity)]);
    const matches = await matching(asked, isCurrent);
    if (!isCurrent()) return;
    ranked = rank(asked, values, matches);
    shown = 0;
    showMore(asked, index, values);
    remember();
  } catch (error) {
    if (isCurrent()) say(error.message, true);
  }
}

// Showing it
function say(text, isError = false) {
  byId("state").textContent = text;
  byId("state").className = isError ? "error" : "note";
}
function make(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}
function makeText(tag, className, text) {
  const element = make(tag, className);
  if (typeof text === "string") element.textContent = text;
  else element.innerHTML = text[1];
  return element;
}
function number(value) {
  if (Number.isNaN(value)) return "–";
  const whole = Number.isInteger(value) || Math.abs(value) >= 100;
  const digits = whole ? { maximumFractionDigits: 0 } : { minimumSignificantDigits: 3, maximumSignificantDigits: 3 };
  return value.toLocaleString("en", digits);
}
function showMore(asked, index, values) {
  const end = Math.min(shown + PAGE, ranked.count);
  for (; shown < end; shown++) byId("results").append(makeResult(asked, index, values, ranked.at(shown)));
  byId("more").hidden = shown === ranked.count;
  byId("more").onclick = () => showMore(asked, index, values);
  const what = asked.order === "first" || asked.order === "disputed" ? "abstracts" : "completions";
  say(`${ranked.count.toLocaleString("en")} ${what}`);
}
function makeResult(asked, index, values, result) {
  const box = document.createElement("details");
  const summary = document.createElement("summary");
  if (result.value !== null) summary.append(make("span", "value", number(result.value)));
  if (result.run !== null) summary.append(make("span", "run", asked.set.runs[result.run]));
  summary.append(make("span", "note", index.ids[result.abstract]), make("span", "start", index.starts[result.abstract]));
  box.append(summary);
  box.addEventListener("toggle", () => {
    if (box.open && box.children.length === 1) fill(box, asked, index, values, result);
  });
  return box;
}
async function fill(box, asked, index, values, result) {
  const body = make("div", "body", "loading…");
  box.append(body);
  try {
    const { perChunk, runs } = asked.set;
    const chunk = await loadChunk(asked.place, Math.floor(result.abstract / perChunk));
    const [prompt, truth, written] = chunk[result.abstract % perChunk];
    const cards = make("div", "cards");
    const own = values.subarray(result.abstract * runs.length, (result.abstract + 1) * runs.length);
    const found = result.run !== null ? [result.run] : asked.order === "disputed" ? extremes(own) : [];
    cards.append(makeCard("The authors", "", truth, "card truth"));
    written.forEach((pair, run) => {
      if (!pair) return;
      const value = `${ABOUT.quantities[asked.quantity].title} ${number(own[run])}`;
      const ending = { eos: "", length: "; cut off at the longest length" }[pair[1]] || "";
      cards.append(makeCard(runs[run], value + ending, pair[0], found.includes(run) ? "card found" : "card"));
    });
    body.replaceChildren(makeLink(index.ids[result.abstract]), makeText("p", "prompt", prompt), cards);
  } catch (error) {
    body.replaceChildren(make("p", "error", error.message));
  }
}
function extremes(values) {
  const known = values.filter((value) => !Number.isNaN(value));
  return [values.indexOf(Math.min(...known)), values.indexOf(Math.max(...known))];
}
function makeCard(title, note, text, className) {
  const card = make("div", className);
  card.append(make("h2", "", title), make("div", "note", note), makeText("div", "text", text));
  return card;
}
function makeLink(id) {
  const line = make("p", "note", id);
  if (/^(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?\/\d{7})$/.test(id)) {
    const link = make("a", "", `arXiv:${id}`);
    link.href = `https://arxiv.org/abs/${id}`;
    link.rel = "noreferrer";
    line.replaceChildren(link);
  }
  return line;
}

// The form
function fillSelect(id, options, chosen) {
  byId(id).replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  const values = options.map(([value]) => String(value));
  byId(id).value = values.includes(String(chosen)) ? String(chosen) : values[0];
}
function fillForm(wanted) {
  fillSelect("set", ABOUT.sets.map((set, place) => [place, set.name]), wanted.set);
  byId("set-label").hidden = ABOUT.sets.length === 1;
  fillForSet(wanted);
  byId("query").value = wanted.query || "";
  byId("where").value = wanted.where === "completions" ? "completions" : "abstracts";
}
function fillForSet(wanted) {
  const set = current().set;
  fillSelect("quantity", set.quantities.map((each) => [each, ABOUT.quantities[each].title]), wanted.quantity ?? ABOUT.first);
  fillSelect("run", [["", "all runs"], ...set.runs.map((run, place) => [place, run])], wanted.run);
  fillOrders(wanted.order);
}
function fillOrders(chosen) {
  const { set, quantity } = current();
  const hasDirection = ABOUT.quantities[quantity].direction !== null;
  const copied = set.quantities.includes(ABOUT.copied) ? [["copied", "the most copied completions"]] : [];
  fillSelect("order", [
    ["best", hasDirection ? "the best completions" : "the highest completions"],
    ["worst", hasDirection ? "the worst completions" : "the lowest completions"], ...copied,
    ["disputed", "the most disputed abstracts (spread of the runs)"],
    ["first", "abstracts in the order of the set"]], chosen);
  describe();
}
function describe() {
  const { order, quantity } = current();
  const { title, description } = ABOUT.quantities[quantity];
  byId("meaning").textContent = description ? `${title}: ${description}` : "";
  byId("run").disabled = order === "first" || order === "disputed";
}
function remember() {
  const values = STATE.map((id) => [id, byId(id).value]).filter(([, value]) => value !== "");
  history.replaceState(null, "", `#${new URLSearchParams(values)}`);
}
byId("set").addEventListener("change", () => {
  fillForSet({ order: byId("order").value });
  refresh();
});
byId("quantity").addEventListener("change", () => {
  fillOrders(byId("order").value === "copied" ? "best" : byId("order").value);
  refresh();
});
byId("order").addEventListener("change", () => {
  if (byId("order").value === "copied") byId("quantity").value = String(ABOUT.copied);
  fillOrders(byId("order").value);
  refresh();
});
for (const id of ["run", "where"]) byId(id).addEventListener("change", refresh);
let typing = null;
byId("query").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(refresh, 250);
});
byId("form").addEventListener("submit", (event) => event.preventDefault());
fillForm(Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
refresh();
