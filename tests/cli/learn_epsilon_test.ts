/** `submind learn epsilon`: computes without a node, finds the noise, refuses what cannot be, in both languages. */
import assert from "node:assert/strict";
import { enLearnEpsilon } from "../../cli/texts/learn_epsilon_en.ts";
import { run } from "./fake_world.ts";

const PLAN = ["--q", "0.04", "--sigma", "1.5", "--steps", "2250", "--delta", "1e-5"];

function epsilon(...args: readonly string[]) {
  return run(["learn", "epsilon", ...args]);
}

Deno.test("learn epsilon gives the published ε as JSON, without a node", async () => {
  const { exitCode, out, err } = await epsilon(...PLAN, "--accountant", "rdp", "--json");
  assert.equal(exitCode, 0, err);
  const answer = JSON.parse(out);
  assert(Math.abs(answer.epsilon - 7.32911117143) <= 1e-9, out);
  const pld = JSON.parse((await epsilon(...PLAN, "--accountant", "pld", "--json")).out);
  assert(pld.epsilon < answer.epsilon && pld.epsilon > 6);
});

Deno.test("learn epsilon finds the noise for an ε, and says the same in words", async () => {
  const plan = ["--q", "0.01", "--steps", "1000", "--delta", "1e-5", "--accountant", "rdp"];
  const found = JSON.parse((await epsilon(...plan, "--target-epsilon", "2", "--json")).out);
  assert(found.epsilon <= 2 && found.epsilon > 1.999);
  const back = await epsilon(...plan, "--sigma", String(found.sigma), "--json");
  assert.equal(JSON.parse(back.out).epsilon, found.epsilon);
  const english = await epsilon(...plan, "--target-epsilon", "2");
  assert.match(english.out, /^ε = 2 at δ = 0.00001\nσ = 1.\d+, q = 0.01, 1,000 rounds/);
  const german = await epsilon(...plan, "--target-epsilon", "2", "--lang", "de");
  assert.match(german.out, /1.000 Runden, gerechnet mit rdp/);
});

Deno.test("learn epsilon says what devices can reach, and refuses what would drown the model in noise", async () => {
  const mesh = ["--steps", "50", "--delta", "1e-5", "--devices", "100", "--parameters", "199210"];
  const reachable = JSON.parse((await epsilon(...mesh, "--json")).out);
  assert.equal(reachable.noiseShare, 1);
  assert(reachable.epsilon > 25 && reachable.epsilon < 30);
  const refused = await epsilon(...mesh, "--target-epsilon", "1");
  assert.equal(refused.exitCode, 4);
  assert.match(refused.err, /ε = 1 is not possible here: the noise would be 16.\d+ times/);
  assert.match(
    refused.err,
    /Possible would be ε = 28.\d+, or 1,6\d\d devices, or a model of 7\d\d numbers/,
  );
  const machine = JSON.parse((await epsilon(...mesh, "--target-epsilon", "1", "--json")).out);
  assert.equal(machine.error.code, "privacyImpossible");
  // What was called possible is.
  const more = await epsilon(...mesh.with(5, "1700"), "--target-epsilon", "1", "--json");
  assert.equal(more.exitCode, 0, more.out);
  assert(JSON.parse(more.out).noiseShare <= 1);
  const tooLarge = await epsilon(...mesh.with(3, "0.01"), "--target-epsilon", "100");
  assert.match(tooLarge.err, /δ = 0.01 promises nothing among 100 devices/);
});

Deno.test("learn epsilon counts no draw when each device noises its own update", async () => {
  const mesh = ["--steps", "10", "--delta", "1e-5", "--devices", "1000", "--parameters", "100"];
  const local = [...mesh, "--noise", "local", "--sigma", "5", "--json"];
  const all = JSON.parse((await epsilon(...local)).out);
  const drawn = JSON.parse((await epsilon(...local, "--q", "0.1")).out);
  assert.equal(drawn.epsilon, all.epsilon);
  const secure = [...mesh, "--sigma", "5", "--q", "0.1", "--json"];
  assert(JSON.parse((await epsilon(...secure)).out).epsilon < all.epsilon / 3);
});

Deno.test("learn epsilon refuses noise that is none, and says that ε is infinite then", async () => {
  const plan = ["--steps", "1", "--delta", "1e-5"];
  const scale = ["--devices", "10", "--parameters", "10"];
  for (
    const args of [
      ["--sigma=0"],
      ["--sigma=-0"],
      ["--sigma=0", "--q=0.5"],
      ["--sigma=0", "--q=0"],
      ["--sigma=0", "--accountant=rdp"],
      // Its square is no number to divide by.
      ["--sigma=1e-200", "--accountant=rdp"],
      ["--sigma=1e-200"],
      ["--noise-share=1e-300", ...scale],
    ]
  ) {
    const machine = await epsilon(...plan, ...args, "--json");
    assert.equal(machine.exitCode, 2, machine.out);
    const { error } = JSON.parse(machine.out);
    assert.equal(error.code, "usage");
    const [option, value] = args[0]!.split("=");
    assert.ok(
      error.message.includes(`${option} is "${value}", expected a number above 0`),
      args.join(),
    );
    assert.match(error.message, /nothing is promised: ε is infinite/);
    const german = await epsilon(...plan, ...args, "--lang", "de");
    assert.match(german.err, /ist nichts versprochen: ε ist unendlich/);
  }
});

Deno.test("learn epsilon answers at the ends of what it takes with numbers that are numbers", async () => {
  for (const accountant of ["rdp", "pld"]) {
    const ask = async (...args: readonly string[]) => {
      const { exitCode, out } = await epsilon(...args, "--accountant", accountant, "--json");
      assert.equal(exitCode, 0, out);
      return JSON.parse(out).epsilon as number;
    };
    const tiny = ["--sigma", "1e-3", "--delta", "1e-5"];
    // Of one Gaussian: about 1/2σ² + z/σ with Φ(−z) = δ; RDP is a little above.
    const one = await ask(...tiny, "--steps", "1");
    assert.ok(one > 504_264 && one < 506_500, `${one}`);
    assert.ok(await ask(...tiny, "--steps", "10000000") > 5e12 / 1_000);
    assert.ok(await ask(...tiny, "--steps", "1", "--q", "0.1") <= one);
    assert.equal(await ask("--q", "0", "--sigma", "1", "--steps", "5", "--delta", "1e-5"), 0);
    assert.ok(await ask("--sigma", "1e6", "--steps", "1", "--delta", "1e-5") < 0.01);
    assert.ok(await ask("--sigma", "1", "--steps", "1", "--delta", "1e-100") < 22);
    assert.equal(await ask("--sigma", "1", "--steps", "1", "--delta", "0.999999999"), 0);
  }
  const near = await epsilon("--q=0", "--sigma=1", "--steps=1", "--delta=0.999999999");
  assert.match(near.out, /^ε = 0 at δ = 0\.999999999\n.*\nNobody is drawn/);
});

Deno.test("noise that learn epsilon shows is enough when it is typed", async () => {
  const plan = ["--steps", "10", "--delta", "1e-5", "--accountant", "rdp"];
  for (const target of ["0.7", "1.3", "3", "11", "47"]) {
    const { out } = await epsilon(...plan, "--target-epsilon", target);
    const [, sigma] = /σ = (\S+),/.exec(out)!;
    const back = JSON.parse((await epsilon(...plan, "--sigma", sigma!, "--json")).out);
    assert.ok(back.epsilon <= Number(target), `${target}: σ = ${sigma} gives ${back.epsilon}`);
  }
});

Deno.test("learn epsilon names the value that makes no sense and what was expected", async () => {
  for (
    const [option, value] of [
      ["--q", "2"],
      ["--q", "half"],
      ["--sigma", "-1"],
      ["--sigma", ""],
      ["--sigma", "1e999"],
      ["--sigma", "1000001"],
      ["--sigma", "Infinity"],
      ["--steps", "0"],
      ["--steps", "2.5"],
      ["--steps", "10000001"],
      ["--delta", "0"],
      ["--delta", "1"],
      ["--delta", "-1e-5"],
      ["--delta", "1e-101"],
      ["--delta", "NaN"],
    ] as const
  ) {
    // Written with "=" because a lone negative number would read as an option.
    const args = PLAN.filter((arg, i) => arg !== option && PLAN[i - 1] !== option);
    const { exitCode, out, err } = await epsilon(...args, `${option}=${value}`);
    assert.equal(exitCode, 2, `${option} ${value}: ${out}`);
    const { expected } = enLearnEpsilon.learnEpsilon;
    assert(err.includes(`${option} is "${value}", expected ${expected[option]}`), err);
  }
  const target = [...PLAN.slice(0, 2), ...PLAN.slice(4), "--target-epsilon=0"];
  assert.match(
    (await epsilon(...target)).err,
    /--target-epsilon is "0", expected a number above 0/,
  );
});

Deno.test("learn epsilon refuses options that do not fit together", async () => {
  const both = await epsilon(...PLAN, "--target-epsilon", "1");
  assert.match(both.err, /give --sigma or --target-epsilon, not both/);
  const neither = await epsilon("--steps", "1", "--delta", "1e-5");
  assert.match(neither.err, /the noise is not given/);
  const alone = await epsilon(...PLAN, "--devices", "10");
  assert.match(alone.err, /--devices and --parameters/);
  const nobody = await epsilon(...PLAN, "--devices", "10", "--parameters", "5");
  assert.match(nobody.err, /of 10 devices --q 0.04 draws less than one/);
  for (const { exitCode } of [both, neither, alone, nobody]) assert.equal(exitCode, 2);
  const unprovable = await epsilon(
    ...["--steps", "1", "--delta", "1e-9", "--target-epsilon", "1e-5", "--accountant", "rdp"],
  );
  assert.equal(unprovable.exitCode, 4);
  assert.match(unprovable.err, /No noise is proved to be enough for ε = 1e-5 by rdp/);
});
