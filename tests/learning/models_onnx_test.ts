/**
 * Exported models say what ours say. tests/oracles/models_oracle.py has run the very same files with onnxruntime on 100 pictures; here the files are made
 * again (equal hashes) and our engine is asked for the same pictures.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { datasetOf } from "../../learning/data/image_set.ts";
import { InlineTrainer } from "../../learning/engine/inline_trainer.ts";
import { writeOnnx } from "../../learning/models/onnx.ts";
import { readFixture, smallMnist } from "./data_fixtures.ts";
import { EXPORTED, parametersFor } from "./exported_models.ts";

interface Oracle {
  readonly models: Readonly<
    Record<string, {
      readonly sha256: string;
      readonly losses: readonly number[];
      readonly classes: readonly number[];
    }>
  >;
}

const oracle = JSON.parse(
  new TextDecoder().decode(await readFixture("models/onnx.json")),
) as Oracle;

for (const [name, network] of Object.entries(EXPORTED)) {
  Deno.test(`the exported ${name} is the one that onnxruntime ran, and says what our engine says`, async () => {
    const expected = oracle.models[name]!;
    const parameters = parametersFor(network);
    const bytes = writeOnnx(network, parameters, { run: "ab", round: "4" });
    assert.equal(createHash("sha256").update(bytes).digest("hex"), expected.sha256);
    const dataset = datasetOf(await smallMnist("t10k"));
    const trainer = new InlineTrainer();
    for (let i = 0; i < 30; i++) {
      const indices = Uint32Array.of(i);
      const ours = await trainer.evaluate({ network, parameters, dataset, indices });
      const loss = expected.losses[i]!;
      assert.ok(Math.abs(ours.loss - loss) <= 1e-5 * (1 + loss), `${i}: ${ours.loss}, ${loss}`);
      assert.equal(ours.accuracy, expected.classes[i] === dataset.labels[i] ? 1 : 0);
    }
    const all = await trainer.evaluate({ network, parameters, dataset });
    const mean = expected.losses.reduce((sum, loss) => sum + loss, 0) / 100;
    assert.ok(Math.abs(all.loss - mean) <= 1e-5 * (1 + mean), `${all.loss}, ${mean}`);
    trainer.close();
  });
}

Deno.test("parameters of another network are refused", () => {
  assert.throws(
    () => writeOnnx(EXPORTED["2nn"]!, new Float32Array(3)),
    /3 parameters, the network has 199210/,
  );
});
