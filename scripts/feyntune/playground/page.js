"use strict";
// Sends the prompt, shows completions as they grow, and sends votes. HTML of texts comes from the server, which makes
// it safe; everything else is set as text.
const byId = (id) => document.getElementById(id);
const ENDS = { eos: "ended by itself", length: "cut off at the longest length" };
let comparison = null;
let cancel = null;
let columns = [];

function say(text, isError = false) {
  byId("state").textContent = text;
  byId("state").className = isError ? "error" : "note";
}
function numberIn(id) {
  return byId(id).value === "" ? null : Number(byId(id).value);
}
async function send(action, content, signal) {
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) };
  const answer = await fetch(action, { ...request, signal });
  if (answer.ok) return answer;
  const isJson = (answer.headers.get("Content-Type") || "").startsWith("application/json");
  throw new Error(isJson ? (await answer.json()).error : `the server answers ${answer.status}`);
}
async function* linesOf(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}
function makeColumns(count) {
  columns = Array.from({ length: count }, (_, index) => {
    const box = document.createElement("div");
    box.className = "column";
    const parts = ["h2", "div", "div", "button"].map((tag) => document.createElement(tag));
    const [title, numbers, text, better] = parts;
    title.textContent = String.fromCharCode(65 + index);
    numbers.className = "note";
    text.className = "text";
    better.type = "button";
    better.textContent = count > 2 ? "This one is best" : "This one is better";
    better.hidden = true;
    better.addEventListener("click", () => vote(index));
    box.append(...parts);
    return { box, title, numbers, text, better };
  });
  byId("columns").replaceChildren(...columns.map((column) => column.box));
}
function show(event) {
  if (event.error) throw new Error(event.error);
  if (event.comparison) {
    comparison = event.comparison;
    byId("shown").innerHTML = event.prompt;
    byId("shown").hidden = false;
    makeColumns(event.columns);
  } else if (event.column !== undefined) {
    const column = columns[event.column];
    column.text.innerHTML = event.html;
    column.numbers.textContent = `${event.tokens} tokens` + (event.stopped ? `, ${ENDS[event.stopped]}` : "…");
  }
  return Boolean(event.done);
}
async function complete() {
  const runs = Array.from(document.querySelectorAll("input[name=run]:checked"), (box) => box.value);
  const settings = Object.fromEntries(["seed", "temperature", "top_p", "max_new_tokens"].map((id) => [id, numberIn(id)]));
  cancel = new AbortController();
  waiting(true);
  say("completing…");
  let finished = false;
  try {
    const answer = await send("complete", { prompt: byId("prompt").value, runs, ...settings }, cancel.signal);
    for await (const event of linesOf(answer)) finished = show(event);
    say(finished ? "" : "the server has stopped", !finished);
  } catch (error) {
    say(error.name === "AbortError" ? "stopped" : error.message, error.name !== "AbortError");
  }
  waiting(false);
  byId("voting").hidden = !finished;
  for (const column of columns) column.better.hidden = !(finished && columns.length > 1);
  byId("equal").hidden = columns.length < 2;
}
function waiting(isWaiting) {
  byId("start").disabled = isWaiting;
  byId("stop").disabled = !isWaiting;
  if (isWaiting) byId("voting").hidden = true;
}
async function decide(action, content, chosen) {
  try {
    const answer = await (await send(action, { comparison, ...content })).json();
    answer.runs.forEach((run, index) => {
      columns[index].title.textContent = run;
      columns[index].better.hidden = true;
      columns[index].box.classList.toggle("chosen", index === chosen);
    });
    byId("voting").hidden = true;
    say(answer.file ? `kept in ${answer.file}` : "");
  } catch (error) {
    say(error.message, true);
  }
}
function vote(better) {
  const rater = byId("rater").value.trim();
  if (!rater) {
    say("type your name first: votes are kept under it", true);
    byId("rater").focus();
    return;
  }
  decide("vote", { better, rater }, better);
}
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  complete();
});
byId("stop").addEventListener("click", () => cancel.abort());
byId("equal").addEventListener("click", () => vote(null));
byId("reveal").addEventListener("click", () => decide("reveal", {}));
