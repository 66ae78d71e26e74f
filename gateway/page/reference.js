// Renders /openapi.json as a readable reference. Text only ever becomes text nodes.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/** A schema in one line, as a TypeScript-like shape. */
function shape(schema, depth = 0) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const several = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (several) return several.map((each) => shape(each, depth)).join(schema.allOf ? " & " : " | ");
  if (Array.isArray(schema.type)) return schema.type.join(" | ");
  if (schema.type === "array") return `${shape(schema.items, depth)}[]`;
  if (schema.properties) {
    if (depth > 3) return "{ … }";
    const pad = "  ".repeat(depth + 1);
    const lines = Object.entries(schema.properties).map(([name, value]) => {
      const mark = schema.required?.includes(name) ? "" : "?";
      return `${pad}${name}${mark}: ${shape(value, depth + 1)}`;
    });
    return `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}`;
  }
  return schema.type ?? "any";
}

function content(title, contents) {
  if (!contents) return [];
  return Object.entries(contents).flatMap(([type, { schema }]) => [
    element("h3", {}, `${title} · ${type}`),
    element("pre", { tabindex: "0" }, shape(schema)),
  ]);
}

function operation(method, path, described) {
  const parameters = described.parameters ?? [];
  const responses = Object.entries(described.responses ?? {})
    .flatMap(([status, response]) => [
      element("p", { class: "meta" }, element("strong", {}, status), ` ${response.description}`),
      ...(status === "default" ? [] : content(status, response.content)),
    ]);
  const rows = parameters.map((parameter) =>
    element(
      "li",
      {},
      element("code", {}, parameter.name),
      ` ${parameter.in}${parameter.required ? ", required" : ""} · ${shape(parameter.schema)}`,
    )
  );
  return element(
    "details",
    { class: "card" },
    element(
      "summary",
      {},
      element("span", { class: `chip ${method}` }, method.toUpperCase()),
      " ",
      element("code", {}, path),
      ` ${described.summary ?? ""}`,
    ),
    described.description ? element("p", {}, described.description) : undefined,
    rows.length > 0 ? element("ul", {}, ...rows) : undefined,
    ...content("Request", described.requestBody?.content),
    ...responses,
  );
}

const main = document.querySelector("main");
const response = await fetch("/openapi.json");
const api = await response.json();
const groups = new Map();
for (const [path, methods] of Object.entries(api.paths)) {
  for (const [method, described] of Object.entries(methods)) {
    const tag = described.tags?.[0] ?? "other";
    if (!groups.has(tag)) groups.set(tag, []);
    groups.get(tag).push(operation(method, path, described));
  }
}
main.replaceChildren(
  element("p", {}, api.info.description ?? ""),
  ...[...groups].flatMap(([tag, operations]) => [element("h2", {}, tag), ...operations]),
  element("h2", {}, "Schemas"),
  ...Object.entries(api.components?.schemas ?? {}).map(([name, schema]) =>
    element(
      "details",
      { class: "card" },
      element("summary", {}, element("code", {}, name)),
      element("pre", { tabindex: "0" }, shape(schema)),
    )
  ),
);
