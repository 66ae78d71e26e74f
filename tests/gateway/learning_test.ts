/** Learning over HTTP: every route does what it says, and what cannot be is refused with a reason. */
import assert from "node:assert/strict";
import { type Fixture, withGateway } from "./gateway_fixture.ts";

const ROOT = "/v1/learning";

async function started({ request }: Pick<Fixture, "request">, json: object = {}) {
  const response = await request(`${ROOT}/runs`, {
    method: "POST",
    json: { task: "mnist", ...json },
  });
  assert.equal(response.status, 201, await response.clone().text());
  return await response.json();
}

Deno.test("a run is started with defaults, is listed, left, joined again and stopped", () =>
  withGateway(async ({ request }) => {
    const run = await started({ request }, { rounds: 7, local: { epochs: 2 } });
    assert.equal(run.rounds, 7);
    assert.equal(run.plan.local.epochs, 2);
    // Two devices are too few for a secure sum.
    assert.equal(run.plan.aggregation.type, "clear");
    assert.equal(Uint8Array.fromBase64(run.plan.seed).length, 32);
    const short = run.run.slice(0, 8);
    const { runs } = await (await request(`${ROOT}/runs`)).json();
    assert.deepEqual(runs, [run]);
    assert.deepEqual(await (await request(`${ROOT}/runs/${short}`)).json(), run);
    for (const [change, state] of [["leave", "open"], ["join", "running"], ["stop", "stopped"]]) {
      const response = await request(`${ROOT}/runs/${short}/${change}`, { method: "POST" });
      assert.equal(response.status, 200);
      assert.equal((await response.json()).state, state);
    }
    const { rounds } = await (await request(`${ROOT}/runs/${short}/rounds`)).json();
    assert.equal(rounds[0].accuracy, 0.91);
    assert.deepEqual(rounds[0].measured, { top3Accuracy: 0.97 });
  }));

Deno.test("the same idempotency key is the same run", () =>
  withGateway(async ({ request }) => {
    const start = async (key: string) => {
      const headers = { "Idempotency-Key": key };
      const json = { task: "mnist" };
      return (await (await request(`${ROOT}/runs`, { method: "POST", headers, json })).json()).run;
    };
    const first = await start("one");
    assert.equal(await start("one"), first);
    assert.notEqual(await start("two"), first);
  }));

Deno.test("versions are listed, compared, gone back to, verified and exported", () =>
  withGateway(async ({ request }) => {
    const run = await started({ request });
    const { models } = await (await request(`${ROOT}/models?run=${run.run.slice(0, 10)}`)).json();
    assert.deepEqual(models.map((one: { round: number }) => one.round), [1, 0]);
    const [newest, first] = models.map((one: { version: string }) => one.version);
    const at = `${ROOT}/models/${newest.slice(0, 6)}`;
    assert.equal((await (await request(at)).json()).version, newest);
    const compared = await (await request(`${at}/compare/${first}`)).json();
    assert.deepEqual([compared.a, compared.b, compared.l2], [newest, first, 1.5]);
    const back = await request(`${ROOT}/models/${first}/rollback`, { method: "POST" });
    assert.equal((await back.json()).current, true);
    assert.equal((await (await request(at)).json()).current, false);
    assert.equal((await (await request(`${at}/verify`)).json()).valid, true);
    const file = await request(`${at}/export?format=onnx`);
    assert.equal(await file.text(), "a model as onnx");
    assert.match(
      file.headers.get("Content-Disposition")!,
      /^attachment; filename="[0-9a-f]{6}\.onnx"$/,
    );
    assert.equal(file.headers.get("Content-Type"), "application/octet-stream");
    assert.equal(await (await request(`${at}/export`)).text(), "a model as safetensors");
  }));

Deno.test("tasks say why they cannot be learned here, and the privacy budget is read and set", () =>
  withGateway(async ({ request }) => {
    const { tasks } = await (await request(`${ROOT}/tasks`)).json();
    assert.deepEqual([tasks[0].task, tasks[0].available], ["mnist", false]);
    assert.equal((await (await request(`${ROOT}/budget`)).json()).epsilonSpent, 0.5);
    const set = (epsilonLifetimeMax: number) =>
      request(`${ROOT}/budget`, { method: "PUT", json: { epsilonLifetimeMax } });
    assert.equal((await (await set(4)).json()).epsilonLifetimeMax, 4);
    assert.equal((await set(0.1)).status, 400);
    assert.equal((await set(-1)).status, 400);
  }));

Deno.test("a small model is summed with a second party when that is asked for, and with too few members when more are said to come", () =>
  withGateway(async ({ request }) => {
    const options = { model: "softmax" };
    for (
      const [aggregation, more] of [["twoServers", {}], ["paillier", { keyBits: 2_048 }]] as const
    ) {
      const run = await started({ request }, { aggregation, options, wait: true });
      const encoding = { range: 1, bits: 16 };
      assert.deepEqual(run.plan.aggregation, { type: aggregation, encoding, ...more });
    }
  }));

Deno.test("rounds are counted, and spent privacy is told to Prometheus", () =>
  withGateway(async ({ request, node }) => {
    const run = await started({ request });
    node.publish({ type: "roundFinished", run: run.run, metrics: run.metrics });
    const text = await (await request("/metrics")).text();
    assert.match(text, /^submind_learning_rounds_total 1$/m);
    assert.match(text, /^submind_learning_epsilon_spent 0.5$/m);
    assert.match(text, /^submind_learning_runs\{state="running"\} 1$/m);
  }));

Deno.test("what cannot be is refused with a reason", () =>
  withGateway(async ({ request }) => {
    const bad: readonly (readonly [object, RegExp])[] = [
      [{ task: "chess" }, /no task "chess" is known/],
      [
        { task: "mnist", options: { model: "softmax" }, aggregation: "paillier" },
        /needs 3 devices, and 2 members may join.*say wait/,
      ],
      [{ task: "mnist", rounds: 0 }, /rounds/],
      [{ task: "mnist", surprise: true }, /surprise/],
      [
        { task: "mnist", aggregation: "secure", compression: { name: "eden", numbers: {} } },
        /masks/,
      ],
      [
        { task: "mnist", aggregation: "twoServers" },
        /at most 65536; expected aggregation "secure"/,
      ],
      [{ task: "mnist", strategy: { name: "fedFoo", numbers: {} } }, /fedFoo/],
      [{ task: "mnist", privacy: { epsilon: 1, clip: 1 } }, /possible would be/],
    ];
    for (const [json, reason] of bad) {
      const response = await request(`${ROOT}/runs`, { method: "POST", json });
      assert.equal(response.status, 400, JSON.stringify(json));
      const problem = await response.json();
      assert.match(`${problem.detail} ${JSON.stringify(problem.errors ?? [])}`, reason);
    }
    assert.equal((await request(`${ROOT}/runs/abcdef`)).status, 404);
    assert.equal((await request(`${ROOT}/runs/xyz`)).status, 400);
    assert.equal((await request(`${ROOT}/models/abc`)).status, 400);
    assert.equal((await request(`${ROOT}/models/abcdef/export?format=pickle`)).status, 400);
    assert.equal((await request(`${ROOT}/models/abcdef/verify`)).status, 404);
    assert.equal((await request(`${ROOT}/runs`, { token: null })).status, 401);
  }));
