/** Sensors over HTTP: their own credentials open exactly one door. */
import assert from "node:assert/strict";
import { withGateway } from "./gateway_fixture.ts";

const basic = (user: string, password: string) => ({
  Authorization: `Basic ${new TextEncoder().encode(`${user}:${password}`).toBase64()}`,
});
const READINGS = "/v1/sensors/attic/readings";

Deno.test("a sensor is let in, sends readings with its own password, and a person reads the series", async () => {
  await withGateway(async ({ request }) => {
    const made = await request("/v1/sensors", { method: "POST", json: { sensor: "attic" } });
    assert.equal(made.status, 201);
    const { user, password } = await made.json();
    const body = [
      { temperature_c: 20, seq: 1, at: 60_000 },
      { temperature_c: 22, seq: 2, at: 61_000 },
      { temperature_c: 22, seq: 2, at: 61_000 },
      { temperature_c: 30, seq: 3, at: 125_000 },
    ];
    const send = () =>
      request(READINGS, {
        method: "POST",
        token: null,
        headers: basic(user, password),
        json: body,
      });
    assert.deepEqual(await (await send()).json(), { accepted: 3, duplicates: 1 });
    assert.deepEqual(await (await send()).json(), { accepted: 0, duplicates: 4 });
    const series = await request("/v1/sensors/attic/series?metric=temperature_c&bucketMs=60000");
    assert.deepEqual(await series.json(), {
      points: [
        { atMs: 60_000, value: 21, least: 20, most: 22, count: 2 },
        { atMs: 120_000, value: 30, least: 30, most: 30, count: 1 },
      ],
    });
    const { sensors } = await (await request("/v1/sensors")).json();
    assert.equal(sensors[0].readings, 3);
    assert.deepEqual(sensors[0].metrics, ["temperature_c"]);
  });
});

Deno.test("a sensor's password opens nothing but its own readings, and nothing when it is wrong or withdrawn", async () => {
  await withGateway(async ({ request }) => {
    for (const sensor of ["attic", "shed"]) {
      await request("/v1/sensors", { method: "POST", json: { sensor } });
    }
    const as = (headers: Record<string, string>, path = READINGS, method = "POST") =>
      request(path, {
        method,
        token: null,
        headers,
        ...(method === "POST" ? { json: { t: 1 } } : {}),
      });
    const good = basic("attic", "secret-attic");
    assert.equal((await as(good)).status, 200);
    assert.equal((await as(good, "/v1/sensors/shed/readings")).status, 403);
    assert.equal((await as(good, "/v1/sensors/attic/series?metric=t", "GET")).status, 401);
    assert.equal((await as(good, "/v1/sensors", "GET")).status, 401);
    assert.equal((await as(good, "/v1/blocks")).status, 401);
    assert.equal((await as(basic("attic", "secret-shed"))).status, 401);
    assert.equal((await as(basic("", ""))).status, 401);
    assert.equal((await as({ Authorization: "Basic ===" })).status, 401);
    assert.equal((await as({ Authorization: `Basic ${"A".repeat(5_000)}` })).status, 401);
    await request("/v1/sensors/attic", { method: "DELETE" });
    assert.equal((await as(good)).status, 401);
  });
});

Deno.test("readings that are no readings are refused with a reason", async () => {
  await withGateway(async ({ request }) => {
    await request("/v1/sensors", { method: "POST", json: { sensor: "attic" } });
    for (const json of [21.5, "hot", {}, [], { t: "warm" }, { "b ad": 1 }, { t: 1, at: -5 }]) {
      const answer = await request(READINGS, { method: "POST", json });
      assert.equal(answer.status, 400, JSON.stringify(json));
      assert.ok((await answer.json()).detail.length > 5);
    }
    const unknown = await request("/v1/sensors/cellar/readings", {
      method: "POST",
      json: { t: 1 },
    });
    assert.equal(unknown.status, 404);
    const badName = await request("/v1/sensors", { method: "POST", json: { sensor: "At tic" } });
    assert.equal(badName.status, 400);
  });
});
