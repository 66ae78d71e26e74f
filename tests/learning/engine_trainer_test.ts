/** The inline trainer keeps the contract of the Trainer port, and lets others have a turn. */
import assert from "node:assert/strict";
import { InlineTrainer } from "../../learning/engine/inline_trainer.ts";
import { spiralJob, trainerContract } from "../contracts/trainer_contract.ts";

trainerContract("the inline trainer", () => new InlineTrainer());

Deno.test("the inline trainer lets others have a turn after every step", async () => {
  const turns: string[] = [];
  const trainer = new InlineTrainer({
    pause: () => {
      turns.push("pause");
      return undefined;
    },
    isProgressDue: (done) => done % 10 === 0,
  });
  const onProgress = (done: number) => turns.push(`${done}`);
  await trainer.train(spiralJob({ epochs: 2 }), { onProgress });
  assert.equal(turns.filter((turn) => turn === "pause").length, 20);
  assert.deepEqual(turns.filter((turn) => turn !== "pause"), ["10", "20"]);
  trainer.close();
});
