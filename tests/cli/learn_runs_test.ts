import assert from "node:assert/strict";
import { join } from "node:path";
import type { ModelView, TaskView } from "../../actors/learning_handle.ts";
import type { RunJson } from "../../cli/client_learning.ts";
import { textsOf } from "../../cli/texts.ts";
import { TASKS } from "../../learning/tasks/tasks.ts";
import { errorText } from "../../platform/error_text.ts";
import { sourceOf } from "../learning/data_fixtures.ts";
import { type Answer, problem, run, withFakeNode } from "./fake_world.ts";
import { DEVICE, metricsOf, RUN, runView, VERSION } from "./learning_views.ts";

const json = (value: unknown) => Response.json(value);
const ROUNDS = [1, 2, 3].map(metricsOf);

/** Answers of a node with one run. */
const oneRun = (change: Partial<RunJson> = {}): Answer => ({ method, path }) => {
  if (path === "/v1/learning/runs") {
    return json(method === "POST" ? runView(change) : { runs: [runView(change)] });
  }
  if (path === `/v1/learning/runs/${RUN}/rounds`) return json({ rounds: ROUNDS });
  if (/^\/v1\/learning\/runs\/a1b2c3[^/]*$/.test(path)) return json(runView(change));
  return undefined;
};

Deno.test("start sends what was said and nothing else, once", () =>
  withFakeNode(oneRun(), async ({ run, seen }) => {
    const plain = await run(["learn", "start", "mnist", "--json"]);
    assert.equal(plain.exitCode, 0, plain.err);
    assert.deepEqual(JSON.parse(seen[0]!.body), { task: "mnist" });
    assert.match(seen[0]!.headers.get("idempotency-key") ?? "", /^[0-9a-f]{32}$/);
    const line =
      "learn start mnist --rounds 20 --epochs 2 --batch 50 --rate 0.05 --option model=cnn " +
      "--option rows=28 --strategy fedAdam:serverRate=0.1,memory=0.9 --aggregation groups --rule median " +
      "--compress eden:bits=4 --epsilon 8 --delta 1e-6 --clip 1.5 --clip-quantile 0.5 --share dirichlet --alpha .3 " +
      "--least 3 --fraction 0.5 --train-time 1.5 --title Ziffern --key k1";
    const all = await run(line.split(" "));
    assert.equal(all.exitCode, 0, all.err);
    assert.deepEqual(JSON.parse(seen[1]!.body), {
      task: "mnist",
      title: "Ziffern",
      options: { model: "cnn", rows: 28 },
      rounds: 20,
      participants: { least: 3, fraction: 0.5 },
      local: { epochs: 2, batchSize: 50, learningRate: 0.05 },
      strategy: { name: "fedAdam", numbers: { serverRate: 0.1, memory: 0.9 } },
      aggregation: "secureGroups",
      rule: { name: "coordinateMedian", numbers: {} },
      compression: { name: "eden", numbers: { bits: 4 } },
      privacy: { epsilon: 8, delta: 1e-6, clip: 1.5, clipQuantile: 0.5 },
      deadlines: { trainMs: 1_500 },
      share: { kind: "dirichlet", alpha: 0.3 },
    });
    assert.equal(seen[1]!.headers.get("idempotency-key"), "k1");
    assert.match(all.out, /Started Digits: a1b2c3/);
    assert.match(all.out, /submind learn join a1b2c3d4e5/);
  }));

Deno.test("start refuses what makes no sense before it asks the node", () =>
  withFakeNode(oneRun(), async ({ run, seen }) => {
    const cases: readonly (readonly [args: string, said: RegExp])[] = [
      ["--rounds 0", /--rounds is "0", expected a whole number from 1/],
      ["--rate fast", /--rate is "fast", expected a number above 0/],
      ["--fraction 1.5", /--fraction is "1\.5"/],
      ["--strategy fedAdam:serverRate", /--strategy is .* like fedAdam:serverRate=0\.1/],
      ["--strategy fedAdam:a=1,a=2", /--strategy is/],
      ["--option model", /--option is "model", expected NAME=VALUE/],
      ["--epsilon 1", /--epsilon needs --clip/],
      ["--clip 1", /--clip needs --epsilon/],
      ["--clip-quantile 0.5", /--clip-quantile needs --epsilon/],
      [
        "--epsilon 1 --clip 1 --clip-quantile 1",
        /--clip-quantile is "1", expected a number from 0.01 to/,
      ],
      ["--rule median", /--rule needs --aggregation/],
      ["--aggregation twoServers --rule median", /--rule needs --aggregation groups/],
      ["--share iid --alpha 1", /--alpha needs --share dirichlet/],
    ];
    for (const [args, said] of cases) {
      const outcome = await run(["learn", "start", "mnist", ...args.split(" ")]);
      assert.equal(outcome.exitCode, 2, args);
      assert.match(outcome.err, said);
    }
    assert.equal(seen.length, 0);
    const german = await run(["learn", "start", "mnist", "--rounds", "0", "--lang", "de"]);
    assert.match(german.err, /--rounds ist "0", erwartet wird eine ganze Zahl von 1/);
  }));

Deno.test("what the node refuses is told in its words", () =>
  withFakeNode(
    () => problem(409, "privacyImpossible", "possible would be ε = 52"),
    async ({ run }) => {
      const refused = await run(["learn", "start", "mnist", "--epsilon", "1", "--clip", "1"]);
      assert.equal(refused.exitCode, 4);
      assert.match(refused.err, /possible would be ε = 52/);
      const machine = await run(["learn", "join", "abcdef", "--json"]);
      assert.equal(JSON.parse(machine.out).error.code, "privacyImpossible");
    },
  ));

Deno.test("status shows all runs, or one with its curve, bars and plan", () =>
  withFakeNode(oneRun({ waitingFor: "1 device more" }), async ({ run }) => {
    for (const args of [["learn"], ["learn", "status"]]) {
      const { out, err } = await run(args);
      assert.match(out, /a1b2c3d4e5 +Digits +running +3 of 10 +4 +80\.0% +1 device more/, err);
    }
    const one = await run(["learn", "status", "a1b2c3"]);
    assert.match(one.out, /Digits {2}training {2}a1b2c3d4e5 · Coordinator dddddddd · 4 devices/);
    assert.match(one.out, /rounds +█{7}░{17} 3\/10 · 14 s left/);
    // What is watched is cut at the last column: the bar gives way before the numbers do.
    const narrow = await run(["learn", "status", "a1b2c3"], { width: 40 });
    assert.match(narrow.out, /^.{0,35} 3\/10/m);
    assert.match(one.out, /Accuracy +▅▆▇ 80\.0/);
    assert.match(one.out, /Waits +1 device more/);
    assert.match(
      one.out,
      /model=softmax · fedAdam:serverRate=0\.1 · E=1 B=10 η=0\.1 · secure · ε≤20/,
    );
    const german = await run(["learn", "status", "a1b2c3", "--lang", "de"]);
    assert.match(german.out, /Genauigkeit +▅▆▇ 80,0/);
    assert.match(german.out, /noch 14 s/);
    assert.equal(JSON.parse((await run(["learn", "status", "a1b2c3", "--json"])).out).run, RUN);
  }));

Deno.test("a second party sees what a coordinator has signed for when it asked for a total", () => {
  const signed = { roster: VERSION, survivors: "1f", inputsRoot: VERSION, product: VERSION };
  const opened = {
    ...{ round: 3, attempt: 1_004, coordinator: DEVICE, ...signed },
    signature: "5a".repeat(64),
  };
  return withFakeNode(oneRun({ opened }), async ({ run }) => {
    const told = async (...more: readonly string[]) =>
      (await run(["learn", "status", "a1b2c3", ...more])).out;
    assert.match(
      await told(),
      /Opened here +round 3, attempt 1,004; signed for by d{8}, (5a){5}…/,
    );
    assert.match(
      await told("--lang", "de"),
      /Hier geöffnet +Runde 3, Versuch 1\.004; unterschrieben von d{8}, (5a){5}…/,
    );
    assert.deepEqual(JSON.parse(await told("--json")).opened, opened);
  });
});

Deno.test("rounds are a table for people and all numbers for machines", () =>
  withFakeNode(
    (seen) => seen.path.endsWith("/rounds") ? json({ rounds: ROUNDS }) : undefined,
    async ({ run }) => {
      const { out } = await run(["learn", "rounds", "a1b2c3"]);
      assert.match(out, /2 +70\.0% +1 +0\.5 +4\/4 +1 +0 +2 s +31 kB +4 +dddddddd/);
      const machine = JSON.parse((await run(["learn", "rounds", "a1b2c3", "--json"])).out);
      assert.deepEqual(machine.rounds, ROUNDS);
    },
  ));

Deno.test("tasks say what is ready, and why not", () => {
  const tasks: readonly TaskView[] = [
    {
      task: "mnist",
      title: { en: "Digits", de: "Ziffern" },
      description: { en: "", de: "" },
      parameters: 199_210,
      available: true,
      reason: null,
      trainingExamples: 500,
      testExamples: 100,
    },
    {
      task: "sensors",
      title: { en: "Sensors", de: "Sensoren" },
      description: { en: "", de: "" },
      parameters: 900,
      available: false,
      reason:
        "sensors/temperature.csv is not here, and no sensor has readings; bring some with: submind sensors import FILE",
      trainingExamples: 0,
      testExamples: 0,
    },
  ];
  return withFakeNode(() => json({ tasks }), async ({ run }) => {
    const { out } = await run(["learn", "tasks", "--lang", "de"]);
    assert.match(out, /mnist +Ziffern +199\.210 +500 +100 +ja/);
    assert.match(out, /sensors +Sensoren .* nein/);
    assert.ok(out.includes(`sensors: ${tasks[1]!.reason}`), "a reason is told to its end");
    assert.match(out, /submind learn start mnist/);
  });
});

Deno.test("why there are no examples is told in German, as tasks themselves say it", async () => {
  const source = sourceOf({});
  const reasons = await Promise.all(TASKS.map(async (task) => {
    try {
      const found = await task.examples({ source, options: {}, share: null });
      return "unavailable" in found ? found.unavailable : "";
    } catch (error) {
      return errorText(error);
    }
  }));
  assert.ok(reasons.length >= 3);
  for (const reason of reasons) {
    assert.doesNotMatch(
      textsOf("de").learnRuns.told(reason).replace(/submind .*/, ""),
      /\b(the|is|of|expected|series|without|needed)\b/,
      reason,
    );
  }
});

Deno.test("a title of others has no line and no colour of its own, and one device is one", () => {
  const title = "two\nlines\tand \u001b[31mred";
  const known = oneRun({ title, devices: 1 });
  const answer: Answer = (seen) => known({ ...seen, path: seen.path.replace(/\/join$/, "") });
  return withFakeNode(answer, async ({ run }) => {
    const said = /two lines and �\[31mred/;
    for (const words of ["", "status a1b2c3", "join a1b2c3", "start mnist"]) {
      const { out } = await run(["learn", ...words.split(" ").filter((word) => word !== "")]);
      assert.match(out, said, words);
    }
    assert.match((await run(["learn", "status", "a1b2c3"])).out, / · 1 device$/m);
    const german = await run(["learn", "status", "a1b2c3", "--lang", "de"]);
    assert.match(german.out, / · 1 Gerät$/m);
  });
});

Deno.test("join, leave and stop tell how the run stands then", () => {
  const states = { join: "running", leave: "open", stop: "stopped" } as const;
  return withFakeNode(({ method, path }) => {
    const what = path.split("/").at(-1) as keyof typeof states;
    return method === "POST" ? json(runView({ state: states[what] })) : undefined;
  }, async ({ run, seen }) => {
    assert.match((await run(["learn", "join", "a1b2c3"])).out, /Taking part in Digits/);
    assert.match((await run(["learn", "leave", "a1b2c3"])).out, /No longer taking part in Digits/);
    assert.match((await run(["learn", "stop", "a1b2c3"])).out, /Digits is stopped/);
    assert.deepEqual(seen.map(({ path }) => path.split("/").at(-1)), ["join", "leave", "stop"]);
  });
});

Deno.test("watch shows every round once, though events are lost, and ends with the run", () => {
  let looks = 0;
  return withFakeNode(({ path }) => {
    if (path === "/v1/events") {
      const event = (value: object) => `data: ${JSON.stringify(value)}\n\n`;
      const body = event({ type: "trainingProgress", run: RUN, round: 2, done: 1, total: 9 }) +
        event({ type: "runChanged", run: RUN, state: "running" });
      return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
    }
    if (path.endsWith("/rounds")) return json({ rounds: ROUNDS.slice(0, looks) });
    if (path === "/v1/learning/runs") return json({ runs: [runView()] });
    looks = Math.min(3, looks + 1);
    return json(runView({ round: looks, state: looks === 3 ? "finished" : "running" }));
  }, async ({ run }) => {
    const { exitCode, out } = await run(["learn", "watch"]);
    assert.equal(exitCode, 0);
    const lines = out.trim().split("\n");
    assert.match(lines[0]!, /^round 1 · 4 devices · 2 s · Accuracy 60\.0.* · Loss 2/);
    assert.match(lines[1]!, /^round 2 .*1 dropped out/);
    assert.match(lines.at(-1)!, /Finished after 3 rounds/);
    assert.equal(lines.filter((line) => line.startsWith("round ")).length, 3);
    looks = 0;
    const machine = (await run(["learn", "watch", "a1b2c3", "--json"])).out.trim().split("\n");
    const values = machine.map((line) => JSON.parse(line));
    assert.equal(values[0].type, "run");
    const finished = values.filter(({ type }) => type === "roundFinished");
    assert.deepEqual(finished.map(({ metrics }) => metrics.round), [1, 2, 3]);
    assert.equal(values.at(-1).ok, true);
  });
});

Deno.test("watch ends when a person has seen enough", () => {
  const enough = new AbortController();
  return withFakeNode(oneRun(), async ({ run }) => {
    const { exitCode } = await run(["learn", "watch", "a1b2c3"], {
      interrupted: enough.signal,
      onLine: () => enough.abort(),
    });
    assert.equal(exitCode, 130);
  });
});

const MODEL: ModelView = {
  version: VERSION,
  block: RUN,
  parent: null,
  run: RUN,
  task: "mnist",
  round: 3,
  createdAtMs: 0,
  coordinator: DEVICE,
  participants: 4,
  bytes: 31_400,
  here: true,
  current: true,
  verified: "invalid",
  metrics: { accuracy: 0.8, loss: 0.5 },
};

Deno.test("versions are shown, compared, checked and rolled back", () =>
  withFakeNode(({ path, query }) => {
    if (path === "/v1/learning/models") return json({ models: query["run"] ? [MODEL] : [] });
    if (path.includes("/compare/")) {
      const metrics = { a: { accuracy: 0.5, loss: 1 }, b: { accuracy: 0.75, loss: 0.5 } };
      const layers = [{ name: "dense", l2: 0.25, relative: 0.1 }];
      return json({ a: VERSION, b: VERSION, l2: 0.25, cosine: 0.99, layers, metrics });
    }
    if (path.endsWith("/rollback")) return json(MODEL);
    if (path.endsWith("/verify")) {
      const checks = [{ check: "chain", ok: true, detail: "" }, {
        check: "sum",
        ok: false,
        detail: "differs",
      }];
      return json({ version: VERSION, valid: false, checks, durationMs: 12 });
    }
    return undefined;
  }, async ({ run }) => {
    assert.match((await run(["learn", "models"])).out, /No versions yet/);
    assert.match(
      (await run(["learn", "models", "a1b2c3"])).out,
      /0f0f0f0f0f +a1b2c3d4e5 +3 +80\.0% +0\.5 +4 +31 kB +yes +INVALID +in use/,
    );
    const compared = await run(["learn", "compare", "0f0f0f", "1a1a1a"]);
    assert.match(compared.out, /dense +0\.25 +10\.0/);
    assert.match(compared.out, /Accuracy 50\.0.* → 75\.0/);
    assert.match((await run(["learn", "rollback", "0f0f0f"])).out, /of round 3 is in use now/);
    const checked = await run(["learn", "verify", "0f0f0f"]);
    assert.equal(checked.exitCode, 4);
    assert.match(checked.out, /✓ chain\n✗ sum: differs\nVersion 0f0f0f0f0f is NOT valid/);
    assert.match(checked.err, /submind learn rollback/);
  }));

Deno.test("export and plot write files, and replace none unasked", () =>
  withFakeNode((seen) => {
    if (seen.path.endsWith("/export")) return new Response(Uint8Array.of(1, 2, 3));
    return oneRun()(seen);
  }, async ({ run, seen, data }) => {
    const folder = join(data, "..");
    const model = join(folder, "model.onnx");
    const written = await run(["learn", "export", "0f0f0f", "--format", "onnx", "--out", model]);
    assert.equal(written.exitCode, 0, written.err);
    assert.deepEqual(seen[0]!.query, { format: ["onnx"] });
    assert.deepEqual(Deno.readFileSync(model), Uint8Array.of(1, 2, 3));
    const again = await run(["learn", "export", "0f0f0f", "--out", model]);
    assert.equal(again.exitCode, 4);
    assert.match(again.err, /is there already[\s\S]*--force/);
    const picture = join(folder, "run.svg");
    const plotted = await run(["learn", "plot", "a1b2c3", "--out", picture, "--json"]);
    assert.equal(JSON.parse(plotted.out).rounds, 3, plotted.out);
    assert.match(Deno.readTextFileSync(picture), /^<svg [\s\S]*<\/svg>\n$/);
    const wrong = await run(["learn", "plot", "a1b2c3", "--out", join(folder, "run.png")]);
    assert.equal(wrong.exitCode, 2);
    assert.match(wrong.err, /only SVG/);
    const nowhere = await run(["learn", "plot", "a1b2c3", "--out", join(folder, "no", "run.svg")]);
    assert.equal(nowhere.exitCode, 1);
    assert.match(nowhere.err, /Cannot write .*run\.svg/);
  }));

Deno.test("the budget is shown and set", () => {
  let most = 10;
  return withFakeNode(({ method, body }) => {
    if (method === "PUT") most = JSON.parse(body).epsilonLifetimeMax;
    const runs = [{ run: RUN, title: "Digits", rounds: 3, epsilon: 6, epsilonMax: 20 }];
    return json({ epsilonLifetimeMax: most, delta: 1e-5, epsilonSpent: 6, runs });
  }, async ({ run }) => {
    assert.match((await run(["learn", "budget"])).out, /ε = 6 of 10 spent.*δ = 0\.00001/);
    const set = await run(["learn", "budget", "--set", "12.5"]);
    assert.match(set.out, /of 12\.5 spent[\s\S]*a1b2c3d4e5 +Digits +3 +6 +20/);
    const wrong = await run(["learn", "budget", "--set", "all"]);
    assert.equal(wrong.exitCode, 2);
    assert.match(wrong.err, /--set is "all"/);
  });
});

Deno.test("every command of learning explains itself, in both languages", async () => {
  const names = [
    ...["tasks", "start", "join", "leave", "stop", "status", "watch", "rounds", "plot", "budget"],
    ...["models", "compare", "rollback", "verify", "export", "data", "epsilon"],
  ];
  for (const lang of ["en", "de"]) {
    const { out } = await run(["learn", "--help", "--lang", lang]);
    for (const name of names) assert.match(out, new RegExp(`learn ${name}|^ +${name} `, "m"), name);
    for (const name of names) {
      const help = await run(["learn", name, "--help", "--lang", lang]);
      assert.equal(help.exitCode, 0, `${name}: ${help.err}`);
    }
  }
  assert.match((await run(["learn", "start", "--help", "--lang", "de"])).out, /Lernrate/);
});
