/** Coloured pictures: order of channels, scale of pixels, first values and steps are those of PyTorch, so that a low accuracy is want of training. */
import assert from "node:assert/strict";
import { InlineTrainer } from "../../learning/engine/inline_trainer.ts";
import { colourNetwork, colourPictures, type Model, RATES, STEPS } from "./colour_pictures.ts";

/** Losses before each step and after the last, by PyTorch 2 (`tests/oracles/engine_colour.py`). */
const PYTORCH: Readonly<Record<Model, readonly number[]>> = {
  softmax: [1.5092487335205078, 1.2569726705551147, 1.0561329126358032, 0.8939065337181091],
  "2nn": [1.4814679622650146, 1.0680670738220215, 0.873938262462616, 0.7420170903205872],
  cnn: [1.400712013244629, 1.319913625717163, 1.2595187425613403, 1.2060225009918213],
  residual: [2.0690834522247314, 1.5206193923950195, 1.110398769378662, 1.0328099727630615],
};

for (const model of Object.keys(PYTORCH) as Model[]) {
  Deno.test(`${model} learns coloured pictures as PyTorch does from the same values`, async () => {
    const dataset = colourPictures();
    const { network, initial } = colourNetwork(model);
    const trainer = new InlineTrainer();
    const losses: number[] = [];
    let parameters = initial;
    for (let step = 0; step < STEPS; step++) {
      const trained = await trainer.train({
        network,
        parameters,
        dataset,
        epochs: 1,
        batchSize: dataset.count,
        learningRate: RATES[model],
        seed: new Uint8Array(32),
      });
      losses.push(trained.loss);
      parameters = trained.parameters;
    }
    const indices = Uint32Array.from({ length: dataset.count }, (_, i) => i);
    losses.push((await trainer.evaluate({ network, parameters, dataset, indices })).loss);
    trainer.close();
    losses.forEach((loss, i) => {
      const expected = PYTORCH[model][i]!;
      assert.ok(Math.abs(loss / expected - 1) < 2e-5, `step ${i}: ${loss}, PyTorch ${expected}`);
    });
  });
}
