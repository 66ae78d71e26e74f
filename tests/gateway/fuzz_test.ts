import assert from "node:assert/strict";
import fc from "fast-check";
import { OTHER } from "./fake_node.ts";
import { withGateway } from "./gateway_fixture.ts";

const SEED = 20_261_121;
const RUNS = 1_500;

const method = fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS");
const KNOWN = [
  "/v1/blocks",
  "/v1/search",
  "/v1/liveness",
  "/v1/bridge",
  "/v1/peers",
  "/v1/members",
  "/v1/members/x/revoke",
  "/v1/invites",
  "/v1/invites/x",
  "/page/invites",
  "/v1/pairings",
  "/v1/pairings/x/confirm",
  "/v1/interest",
  "/v1/verify",
  "/v1/backup",
  "/v1/events",
  "/v1/login-codes",
  "/v1/messages",
  "/v1/messages/x/attachments/0",
  "/v1/conversations",
  "/v1/conversations/x/messages",
  "/v1/conversations/x/read",
  "/v1/mail/status",
  "/v1/learning/runs",
  "/v1/learning/runs/x/join",
  "/v1/learning/models/x/export",
  "/v1/learning/budget",
  "/v1/backups",
  "/v1/backups/x/missing",
  "/v1/backups/x/versions",
  "/v1/backups/x/pieces/x",
  "/login",
  "/page/search",
  "/",
];
const odd = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom("%", "%00", "%ff", "..", "%2e%2e%2f", "__proto__", "constructor", "", "🐝"),
);
const path = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...KNOWN) },
  fc.tuple(fc.constantFrom(...KNOWN), odd).map(([known, more]) => `${known}/${more}`),
  odd.map((text) => `/${text}`),
);
const FIELDS = [
  "topic",
  "text",
  "body",
  "tags",
  "kind",
  "target",
  "parents",
  "mediaType",
  "blocks",
  "limit",
  "offset",
  "cursor",
  "kinds",
  "author",
  "role",
  "validMs",
  "displayName",
  "permissions",
  "linkOrCode",
  "wordsMatch",
  "interest",
  "topics",
  "bodyBytesMax",
  "address",
  "directory",
  "conversation",
  "to",
  "title",
  "attachments",
  "vanishMs",
  "upTo",
  "add",
  "remove",
  "unread",
  "q",
  "code",
  "__proto__",
];
const field = fc.constantFrom(...FIELDS);
const query = fc.array(fc.tuple(field, odd), { maxLength: 4 })
  .map((pairs) => pairs.map(([key, value]) => `${key}=${value}`).join("&"));
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom("put", "tombstone", "owner", "n", "4821-7730", "eA==", null, -1, 2 ** 60, true),
);
const json = fc.oneof(fc.dictionary(field, value, { maxKeys: 5 }), value)
  .map((each) => JSON.stringify(each));
const body = fc.oneof(
  { weight: 3, arbitrary: json },
  fc.string({ unit: "binary" }),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => bytes.slice()),
  fc.constant(null),
);
const contentType = fc.constantFrom(
  ...Array(8).fill("application/json"),
  "application/json; charset=utf-8",
  "text/plain",
  "multipart/form-data; boundary=x",
  "application/x-www-form-urlencoded",
  ";;;",
  "a/b; charset=",
  "",
);
const header = fc.record({
  "Idempotency-Key": fc.constantFrom("k", "é", "", "k".repeat(100)),
  "Last-Event-ID": fc.constantFrom("x", "00000000-1", "-", "a-b-c"),
  "Accept-Language": fc.constantFrom("de", ";q=x", ",,,", "de;q=1e999"),
  "If-None-Match": fc.constantFrom("*", '"x"'),
  "Origin": fc.constantFrom(...Array(8).fill("http://localhost"), "null", "x"),
  "Cookie": fc.constantFrom("submind=x", "submind=", "=;=", "submind=%"),
}, { requiredKeys: [] });

/** Requests that are right, so that changing one field reaches what only right requests reach. */
const RIGHT: readonly (readonly [method: string, path: string, json: Record<string, unknown>])[] = [
  ["POST", "/v1/blocks", { topic: "n", text: "x", tags: ["a"], parents: [] }],
  ["POST", "/v1/blocks", { topic: "n", body: "eA==", mediaType: "image/png" }],
  ["POST", "/v1/invites", { role: "guest", validMs: 60_000, displayName: "d" }],
  ["POST", "/v1/pairings", { linkOrCode: "4821-7730" }],
  ["POST", "/v1/pairings/pairing-1/confirm", { wordsMatch: true }],
  ["PUT", "/v1/interest", { interest: { topics: ["n"], bodyBytesMax: 1 } }],
  ["PATCH", `/v1/members/${OTHER}`, { displayName: "d", trust: "low" }],
  ["POST", "/v1/peers", { address: "http://10.0.0.1:1" }],
  ["POST", "/v1/messages", { to: [OTHER], text: "x", validMs: 60_000 }],
  ["POST", "/v1/conversations/00000000000000000000000000000001/read", { upTo: "0".repeat(32) }],
  ["PATCH", "/v1/conversations/00000000000000000000000000000001", { title: "t", add: [OTHER] }],
  ["POST", "/v1/backup", { directory: "/tmp/x" }],
];
const nearlyRight = fc.tuple(fc.constantFrom(...RIGHT), fc.option(fc.tuple(field, value)))
  .map(([[method, path, json], change]) =>
    [
      method,
      path,
      JSON.stringify(change === null ? json : { ...json, [change[0]]: change[1] }),
    ] as const
  );
const anything = fc.tuple(method, path, body);

Deno.test("no request whatever makes the gateway fail", () =>
  withGateway(async ({ request, log }) => {
    const statuses = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(anything, nearlyRight),
        fc.oneof(fc.constant(""), query),
        contentType,
        header,
        async ([method, path, body], query, contentType, headers) => {
          const target = `${path}${query === "" ? "" : `?${query}`}`;
          if (!URL.canParse(`http://localhost${target}`)) return;
          const all = new Headers();
          for (const [name, text] of Object.entries({ ...headers, "Content-Type": contentType })) {
            try {
              all.set(name, text);
            } catch {
              // Not a header that HTTP can carry.
            }
          }
          const bodiless = method === "GET" || method === "HEAD";
          const init = { method, headers: all, body: bodiless ? null : body };
          const response = await request(target, init);
          statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
          // An event stream has no end.
          const endless = response.headers.get("Content-Type") === "text/event-stream";
          if (endless) await response.body?.cancel();
          const text = endless ? "" : await response.text();
          assert.ok(response.status < 500, `${method} ${target} ${text}`);
          const type = response.headers.get("Content-Type") ?? "";
          if (response.status >= 400 && method !== "HEAD" && !type.startsWith("text/html")) {
            const problem = JSON.parse(text);
            assert.equal(problem.status, response.status);
            assert.equal(typeof problem.reason, "string");
          }
        },
      ),
      { seed: SEED, numRuns: RUNS },
    );
    assert.deepEqual(log.filter((line) => line.startsWith("error")), []);
    // The fuzzer reaches past the first check: some requests succeed, others fail in each layer.
    for (const status of [200, 201, 400, 403, 404, 415]) {
      assert.ok((statuses.get(status) ?? 0) > 0, `${status} ${JSON.stringify([...statuses])}`);
    }
  }, {
    limits: {
      ownerRequestsPerMinute: 1_000_000,
      actionsPerMinute: {},
      strangerRequestsPerMinute: 1_000_000,
    },
  }));
