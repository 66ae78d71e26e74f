import assert from "node:assert/strict";
import { STATUS_OF_REASON } from "../../gateway/problems.ts";
import { withGateway } from "./gateway_fixture.ts";

interface Operation {
  readonly summary?: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
  }[];
  readonly requestBody?: { readonly content: Record<string, unknown> };
  readonly responses: Record<string, { readonly description: string }>;
}

interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: Record<string, Record<string, unknown>>;
}

/** Pages for people and their parts; everything else is API. */
const PAGES = /^\/(assets\/|page\/|login$|docs$|openapi\.json$|$)/;

function references(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "$ref" && typeof inner === "string" ? [inner] : references(inner)
  );
}

Deno.test("the OpenAPI document covers every route of the API and nothing else", () =>
  withGateway(async ({ request, gateway }) => {
    const document: Document = await (await request("/openapi.json")).json();
    assert.equal(document.openapi, "3.1.0");
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
    );
    const served = new Set(
      gateway.app.routes
        .filter(({ method, path }) => method !== "ALL" && !PAGES.test(path))
        .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`),
    );
    assert.deepEqual(documented.toSorted(), [...served].toSorted());
    assert.ok(served.size >= 43, `${served.size} routes`);
  }));

Deno.test("the OpenAPI document is complete in itself", () =>
  withGateway(async ({ request }) => {
    const document: Document = await (await request("/openapi.json")).json();
    for (const reference of references(document)) {
      const [, part = "", group = "", name = ""] = reference.split("/");
      assert.equal(part, "components");
      assert.ok(document.components[group]?.[name], reference);
    }
    for (const [path, methods] of Object.entries(document.paths)) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
      for (const [method, operation] of Object.entries(methods)) {
        const name = `${method} ${path}`;
        assert.ok(operation.summary, `${name} has a summary`);
        assert.ok(operation.responses.default, `${name} names problems`);
        assert.ok(Object.keys(operation.responses).some((s) => s.startsWith("2")), name);
        const stated = (operation.parameters ?? []).filter((p) => p.in === "path");
        assert.deepEqual(stated.map((p) => p.name), inPath, name);
        assert.ok(
          stated.every(({ required }) => required === true),
          `${name}: OpenAPI asks for it`,
        );
        if (method === "put" || method === "patch") assert.ok(operation.requestBody, name);
      }
    }
    assert.ok(document.components.securitySchemes?.bearer);
    const events = document.paths["/v1/events"]?.get?.responses["200"];
    assert.match(JSON.stringify(events), /"text\/event-stream":\{"schema":\{"\$ref":.*NodeEvent/);
    for (
      const name of ["NodeEvent", "BlockView", "Peer", "Member", "Invite", "Status", "Problem"]
    ) {
      assert.ok(document.components.schemas?.[name], name);
    }
  }));

/** Schemas that ask for two things which no value has: one that is referred to, and perhaps null. */
function contradictions(value: unknown, path: string): string[] {
  if (typeof value !== "object" || value === null) return [];
  const all = "allOf" in value && Array.isArray(value.allOf) ? value.allOf : [];
  const isOne = all.some((one) => "$ref" in one) &&
    all.some(({ type }) => Array.isArray(type) && type.includes("null"));
  return [
    ...(isOne ? [path] : []),
    ...Object.entries(value).flatMap(([key, inner]) => contradictions(inner, `${path}/${key}`)),
  ];
}

Deno.test("where the OpenAPI document says that something may be null, its schema lets it", () =>
  withGateway(async ({ request }) => {
    const document: Document = await (await request("/openapi.json")).json();
    assert.deepEqual(contradictions(document, ""), []);
  }));

/** All schemas of objects below a value, by what they require. */
function requirements(
  value: unknown,
): { readonly properties: string[]; readonly required: string[] }[] {
  if (typeof value !== "object" || value === null) return [];
  const { properties, required } = value as { properties?: object; required?: unknown };
  const own = typeof properties === "object"
    ? [{
      properties: Object.keys(properties),
      required: Array.isArray(required) ? required as string[] : [],
    }]
    : [];
  return [...own, ...Object.values(value).flatMap(requirements)];
}

Deno.test("the OpenAPI document does not require what may be missing", () =>
  withGateway(async ({ request }) => {
    const all = requirements(await (await request("/openapi.json")).json());
    // Of encodings and noise in plans, of messages, of invites, and of changes to members and conversations.
    for (
      const [field, beside] of [
        ["examplesPerWeight", "range"],
        ["adaptive", "epsilonMax"],
        ["vanishMs", "text"],
        ["validMs", "role"],
        ["trust", "permissions"],
        ["add", "remove"],
      ] as const
    ) {
      const found = all.filter(({ properties }) =>
        properties.includes(field) && properties.includes(beside)
      );
      const optional = found.filter(({ required }) => !required.includes(field));
      assert.ok(found.length > 0 && optional.length > 0, `${field} beside ${beside}`);
    }
  }));

Deno.test("the API reference works without any other host", () =>
  withGateway(async ({ request }) => {
    const page = await (await request("/docs")).text();
    assert.doesNotMatch(page, /https?:\/\//);
    assert.match(page, /src="\/assets\/reference\.js"/);
    const script = await (await request("/assets/reference.js")).text();
    assert.doesNotMatch(script, /https?:\/\/|innerHTML/);
  }));

Deno.test("every refusal of the node has a status of an error", () => {
  assert.equal(Object.keys(STATUS_OF_REASON).length, 20);
  for (const [reason, status] of Object.entries(STATUS_OF_REASON)) {
    assert.ok(status >= 400 && status < 600, reason);
  }
});

Deno.test("the OpenAPI document says what the fields of a record may be called, as the schemas demand it", () =>
  withGateway(async ({ request }) => {
    const { components, paths } = await (await request("/openapi.json")).json();
    const records = (value: unknown): Record<string, unknown>[] => {
      if (typeof value !== "object" || value === null) return [];
      const own = value as Record<string, unknown>;
      const isRecord = own.type === "object" && typeof own.additionalProperties === "object";
      return [...(isRecord ? [own] : []), ...Object.values(own).flatMap(records)];
    };
    const found = records({ components, paths });
    assert.ok(found.length >= 4, `${found.length} records`);
    for (const record of found) {
      const { pattern, maxLength } = (record.propertyNames ?? {}) as Record<string, unknown>;
      assert.ok(pattern !== undefined || maxLength !== undefined, JSON.stringify(record));
    }
    const json = { task: "mnist", strategy: { name: "fedAvg", numbers: { "server-rate": 1 } } };
    const refused = await request("/v1/learning/runs", { method: "POST", json });
    assert.equal(refused.status, 400);
    assert.ok(
      !new RegExp(components.schemas.Choice.properties.numbers.propertyNames.pattern)
        .test("server-rate"),
    );
  }));
