/** `submind demo --learn` as a person runs it, from the program's own process. */
import assert from "node:assert/strict";
import { submind } from "../cli/real_program.ts";

Deno.test("devices learn digits together although the coordinator is killed and another one drops out", async () => {
  const { code, stdout, stderr } = await submind(["demo", "--learn", "--once", "--json"]).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.equal(code, 0, out! + err!);
  const lines = out!.trim().split("\n").map((line) => JSON.parse(line));
  const { ok, rounds, accuracy, epsilon, participants, dropped, coordinator_killed, verified } =
    lines.at(-1);
  assert.deepEqual(
    { ok, rounds, participants, dropped, coordinator_killed, verified },
    { ok: true, rounds: 12, participants: 5, dropped: 2, coordinator_killed: true, verified: 3 },
  );
  assert.ok(accuracy >= 0.75, `accuracy ${accuracy}`);
  assert.ok(Number.isFinite(epsilon) && epsilon > 0, `epsilon ${epsilon}`);
  const told = lines.filter(({ type }) => type === "round").map(({ round }) => round);
  assert.deepEqual(told, Array.from({ length: rounds }, (_, index) => index + 1));
});
