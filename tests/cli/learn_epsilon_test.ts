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

Deno.test("learn epsilon without noise promises nothing", async () => {
  const plan = ["--sigma", "0", "--steps", "1", "--delta", "1e-5"];
  assert.equal(JSON.parse((await epsilon(...plan, "--json")).out).epsilon, null);
  assert.match((await epsilon(...plan)).out, /Nothing is promised/);
});

Deno.test("learn epsilon names the value that makes no sense and what was expected", async () => {
  for (
    const [option, value] of [
      ["--q", "2"],
      ["--q", "half"],
      ["--sigma", "-1"],
      ["--sigma", ""],
      ["--sigma", "1e999"],
      ["--steps", "0"],
      ["--steps", "2.5"],
      ["--delta", "0"],
      ["--delta", "1"],
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
