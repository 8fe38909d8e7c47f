// The index: what is served, how it is, and what to try. Looks again every two seconds while somebody looks at it.

import { codeBlock, curl, element, send, setUp, text } from "./common.js";
import { examples } from "./example.js";

const EVERY_MS = 2000;
const cards = new Map();
let overview = null;

async function look() {
  try {
    const response = await fetch("./", { headers: { accept: "application/json" } });
    overview = await response.json();
    show();
  } catch {
    state(document.getElementById("ready"), "unavailable", text("unreachable"));
  }
}

function show() {
  if (overview === null) return;
  const { ready, models, version } = overview;
  document.getElementById("version").textContent = version;
  document.getElementById("count").textContent = text("count", models.length);
  state(document.getElementById("ready"), ready ? "ready" : "loading", text(ready ? "ready" : "notReady"));
  const keys = models.map((model) => `${model.name}\n${model.version}\n${model.inputs.length}`);
  models.forEach((model, at) => {
    if (!cards.has(keys[at])) cards.set(keys[at], card(model, models.filter((one) => one.name === model.name).length === 1));
    cards.get(keys[at]).update(model);
  });
  const shown = keys.map((key) => cards.get(key).root);
  const place = document.getElementById("models");
  if (shown.length === 0) shown.push(element("p", { class: "card empty" }, text("nothing")));
  if (shown.some((root, at) => place.children[at] !== root) || place.children.length !== shown.length) {
    place.replaceChildren(...shown);
  }
}

function state(pill, kind, words) {
  pill.className = `pill dot ${kind}`;
  if (pill.textContent !== words) pill.textContent = words;
}

function card(model, isOnly) {
  const pill = element("span");
  const reason = element("p", { class: "reason", hidden: true });
  const replicas = element("b");
  const requests = element("b");
  const root = element(
    "article", { class: "card" },
    element(
      "header", {},
      element("h2", {}, model.name, element("small", {}, `${text("version")} ${model.version}`)),
      model.task ? element("span", { class: "pill task" }, model.task) : null,
      pill,
    ),
    reason,
    model.description ? element("p", { class: "about" }, model.description) : null,
    element(
      "p", { class: "facts" },
      element("span", {}, `${text("replicas")} `, replicas),
      element("span", {}, `${text("requests")} `, requests),
      model.platform ? fact("platform", model.platform) : null,
      Object.entries(model.placement).map(([name, value]) => fact(name, value)),
    ),
    model.inputs.length + model.outputs.length === 0 ? null : element(
      "div", { class: "columns" }, tensors("inputs", model.inputs), tensors("outputs", model.outputs),
    ),
    model.labels.length === 0 ? null : element(
      "div", { class: "labels" }, model.labels.map((label) => element("span", { class: "pill" }, label)),
    ),
    tryIt(examples(model, isOnly)),
  );
  function update(now) {
    state(pill, now.state.toLowerCase(), text(now.state));
    reason.hidden = now.state !== "UNAVAILABLE";
    reason.textContent = now.reason;
    replicas.textContent = `${now.replicas_ready} / ${now.replicas}`;
    requests.textContent = now.requests.toLocaleString();
  }
  return { root, update };
}

function fact(name, value) {
  return element("span", {}, `${text(name) ?? name} `, element("b", {}, String(value)));
}

function tensors(key, list) {
  const rows = list.map((tensor) => element(
    "tr", {},
    element("td", {}, element("code", {}, tensor.name)),
    element("td", {}, element("code", {}, tensor.datatype)),
    element("td", {}, element("code", {}, `[${tensor.shape.join(", ")}]`)),
  ));
  return element("div", {}, element("h3", {}, text(key)), element("table", { class: "tensors" }, element("tbody", {}, rows)));
}

function tryIt(tried) {
  const kinds = Object.keys(tried);
  if (kinds.length === 0) return null;
  const { block, code } = codeBlock();
  const took = element("span", { class: "took" });
  const answer = element("pre", { class: "answer", hidden: true, tabindex: "0" });
  const button = element("button", { class: "button strong", type: "button", onclick: run }, text("send"));
  const tabs = kinds.map((kind) => element(
    "button", { type: "button", role: "tab", onclick: () => choose(kind) }, text(kind),
  ));
  let chosen;
  function choose(kind) {
    chosen = tried[kind];
    tabs.forEach((tab, at) => tab.setAttribute("aria-selected", kinds[at] === kind));
    code.textContent = chosen.request ? curl(chosen.request) : chosen.program;
    button.hidden = !chosen.request;
    took.textContent = "";
    answer.hidden = true;
  }
  async function run() {
    button.disabled = true;
    await send(chosen.request, took, answer);
    button.disabled = false;
    look();
  }
  choose(kinds[0]);
  return element(
    "section", { class: "try" },
    element("h3", {}, text("try")),
    element("div", { class: "tabs", role: "tablist" }, tabs),
    block,
    element("div", { class: "run" }, button, took),
    answer,
  );
}

setUp(() => {
  cards.clear();
  show();
});
look();
setInterval(() => document.hidden || look(), EVERY_MS);
