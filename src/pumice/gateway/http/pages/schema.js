// JSON schemas as trees of names and types.

import { element, text } from "./common.js";

/** The schema, example and media type of a body, or null where there is none. */
export function bodyOf(part) {
  const entry = Object.entries(part?.content ?? {})[0];
  return entry ? { type: entry[0], schema: entry[1].schema, example: entry[1].example } : null;
}

/** Shows a schema; what it refers to opens on a click, unless it is to be open. */
export function schemaTree(schema, api, { mediaType = null, open = true } = {}) {
  const head = mediaType && mediaType !== "application/json" ? element("span", { class: "told" }, `${mediaType} `) : null;
  return element("div", { class: "schema" }, head, node(schema, { api, open, above: new Set() }));
}

function node(schema, place) {
  const { api, open, above } = place;
  if (schema.anyOf?.some((one) => one.$ref)) {
    return element("div", {}, `${text("any")}:`, element("ul", {}, schema.anyOf.map((one) => element("li", {}, node(one, place)))));
  }
  const name = referred(schema) ?? referred(schema.items ?? {});
  const target = name === null ? schema : api.components.schemas[name];
  if (!target.properties || above.has(name)) return element("span", { class: "type" }, typeName(schema));
  const members = Object.entries(target.properties);
  const inner = { api, open: false, above: new Set([...above, name]) };
  return element(
    "details", { open: open && members.length <= 8 },
    element("summary", {}, element("span", { class: "type" }, typeName(schema)), element("span", { class: "told" }, " ", marked(target.description ?? ""))),
    element("ul", {}, members.map(([key, member]) => row(key, member, target.required?.includes(key), inner))),
  );
}

function row(key, member, isRequired, place) {
  const must = isRequired ? element("span", { class: "must", title: text("required") }, "*") : null;
  return element(
    "li", {},
    element("code", {}, key), must, " ", node(member, place),
    member.description ? element("span", { class: "told" }, " ", marked(member.description)) : null,
  );
}

/** CommonMark's code spans; the documents have no other markup. */
function marked(description) {
  return description.split("`").map((part, at) => (at % 2 ? element("code", {}, part) : part));
}

function referred(schema) {
  return schema.$ref ? schema.$ref.split("/").pop() : null;
}

function typeName(schema) {
  const name = referred(schema);
  if (name !== null) return name;
  if (schema.anyOf) return schema.anyOf.map(typeName).join(" | ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.type === "array") return schema.items ? `[${typeName(schema.items)}]` : "[…]";
  if (schema.type === "object") return schema.additionalProperties?.type || schema.additionalProperties?.anyOf ? `{string: ${typeName(schema.additionalProperties)}}` : "{…}";
  return schema.type ?? "…";
}
