// The documentation of the routes, from the OpenAPI document.

import { codeBlock, curl, element, send, setUp, text, told } from "./common.js";
import { bodies } from "./example.js";
import { bodyOf, schemaTree } from "./schema.js";

const KINDS = { JsonRequest: "oip", PredictRequest: "kserve", SeedRequest: "task" };

let api = null;
let models = [];

function show() {
  if (api === null) return;
  document.getElementById("version").textContent = api.info.version;
  const side = [];
  const groups = api.tags.map((tag) => {
    const found = operations().filter(({ operation }) => operation.tags.includes(tag.name));
    side.push(element("h3", {}, told(tag)));
    // routes that do the same (with a version, on another platform's path) stand here once
    const first = new Map(found.map(({ operation }) => [told(operation), operation.operationId]).reverse());
    side.push(...[...first].reverse().map(([words, id]) => element("a", { href: `#${id}` }, words)));
    return element("section", { class: "group" }, element("h2", {}, told(tag)), found.map(shown));
  });
  document.querySelector(".side").replaceChildren(...side);
  document.getElementById("groups").replaceChildren(...groups);
  goToHash();
}

function operations() {
  return Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })));
}

function shown({ path, method, operation }) {
  const root = element(
    "details", { class: "operation", id: operation.operationId },
    element(
      "summary", {},
      element("span", { class: `method ${method}` }, method.toUpperCase()),
      element("span", { class: "path" }, path),
      element("span", { class: "what" }, told(operation)),
    ),
  );
  // filled when it is first opened: most never are
  root.addEventListener("toggle", () => root.open && root.children.length === 1 && root.append(inside(path, method, operation)));
  return root;
}

function inside(path, method, operation) {
  const body = bodyOf(operation.requestBody);
  return element(
    "div", { class: "inside" },
    form(path, method, operation, body),
    body ? [element("h3", {}, text("body")), schemaTree(body.schema, api)] : null,
    element("h3", {}, text("answers")),
    element("table", { class: "rows" }, element("tbody", {}, Object.entries(operation.responses).filter(ownAnswer).map(answerRow))),
  );
}

// what any connection may answer is referred to, and says nothing of this route
function ownAnswer([, response]) {
  return !response.$ref;
}

function answerRow([status, response]) {
  const body = bodyOf(response);
  return element(
    "tr", {},
    element("td", {}, element("span", { class: `status s${status[0]}` }, status)),
    element("td", {}, told(response), body ? schemaTree(body.schema, api, { mediaType: body.type, open: status < "400" }) : null),
  );
}

function form(path, method, operation, body) {
  const { block, code } = codeBlock();
  const took = element("span", { class: "took" });
  const answer = element("pre", { class: "answer", hidden: true, tabindex: "0" });
  const button = element("button", { class: "button strong", type: "button", onclick: run }, text("send"));
  const fields = operation.parameters.map((parameter) => ({ parameter, input: input(parameter, refill) }));
  const area = body ? element("textarea", { class: "field wide", rows: 6, spellcheck: "false", "aria-label": text("body"), oninput: refresh }) : null;

  function request() {
    const headers = body ? { "content-type": "application/json" } : {};
    let filled = path;
    const query = new URLSearchParams();
    for (const { parameter, input } of fields) {
      if (parameter.in === "path") filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value && parameter.in === "query") query.set(parameter.name, input.value);
      else if (input.value) headers[parameter.name] = input.value;
    }
    if (query.size) filled += `?${query}`;
    return { method: method.toUpperCase(), path: filled, headers, body: area?.value };
  }
  function refresh() {
    code.textContent = curl(request());
  }
  function refill() {
    if (area) area.value = JSON.stringify(exampleBody(fields, body));
    refresh();
  }
  async function run() {
    button.disabled = true;
    await send(request(), took, answer);
    button.disabled = false;
  }
  refill();
  const needed = fields.filter(({ parameter }) => parameter.required);
  const optional = fields.filter(({ parameter }) => !parameter.required);
  return element(
    "div", {},
    element("h3", {}, text("try")),
    element(
      "div", { class: "form" },
      needed.flatMap(labelled),
      area,
      optional.length === 0 ? null : element(
        "details", {}, element("summary", {}, text("optional")), element("div", { class: "form" }, optional.flatMap(labelled)),
      ),
    ),
    element("div", { class: "run" }, button, took),
    answer,
    element("div", { class: "run" }),
    block,
  );

  function input(parameter) {
    const first = models[0];
    const known = { model: first?.name, version: first?.version, ref: "-" }[parameter.name] ?? "";
    return element("input", {
      class: "field", id: `${operation.operationId}-${parameter.name}`, value: parameter.required ? known : "",
      placeholder: told(parameter), list: parameter.name === "model" ? "models" : null, autocomplete: "off",
      oninput: parameter.name === "model" ? refill : refresh,
    });
  }
}

function labelled({ parameter, input }) {
  const mark = parameter.required ? element("b", { title: text("required") }, " *") : null;
  return [element("label", { for: input.id }, parameter.name, mark), input];
}

function exampleBody(fields, body) {
  const kind = KINDS[body.schema.$ref?.split("/").pop()];
  const name = fields.find(({ parameter }) => parameter.name === "model")?.input.value;
  const model = models.find((one) => name === undefined || one.name === name);
  return (model && kind && bodies(model)[kind]) ?? body.example;
}

function goToHash() {
  const found = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!found) return;
  found.open = true;
  found.scrollIntoView();
}

async function load() {
  const json = { headers: { accept: "application/json" } };
  const [document_, overview] = await Promise.all(["openapi.json", "./"].map((path) => fetch(path, json)));
  api = await document_.json();
  models = (await overview.json()).models;
  const names = [...new Set(models.map((model) => model.name))];
  document.body.append(element("datalist", { id: "models" }, names.map((name) => element("option", { value: name }))));
  show();
}

setUp(show);
addEventListener("hashchange", goToHash);
load();
