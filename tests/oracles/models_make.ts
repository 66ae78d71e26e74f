/**
 * Writes what tests/oracles/models_oracle.py checks: exported models with made-up parameters, and a file in safetensors. Run by hand before the oracle:
 * `deno run -A tests/oracles/models_make.ts FOLDER`.
 */
import { writeOnnx } from "../../learning/models/onnx.ts";
import { writeSafetensors } from "../../learning/models/safetensors.ts";
import { layoutOf } from "../../learning/parameters.ts";
import { datasetOf } from "../../learning/data/image_set.ts";
import { smallMnist } from "../learning/data_fixtures.ts";
import { EXPORTED, parametersFor } from "../learning/exported_models.ts";

const [folder = "."] = Deno.args;
for (const [name, network] of Object.entries(EXPORTED)) {
  const bytes = writeOnnx(network, parametersFor(network), { run: "ab", round: "4" });
  Deno.writeFileSync(`${folder}/${name}.onnx`, bytes);
}
const layout = layoutOf([
  { name: "dense1.weight", shape: [2, 3] },
  { name: "dense1.bias", shape: [3] },
]);
const parameters = Float32Array.from({ length: 9 }, (_, i) => i / 4 - 1);
Deno.writeFileSync(
  `${folder}/ours.safetensors`,
  writeSafetensors(parameters, layout, { run: "ab", round: "4" }),
);
const test = datasetOf(await smallMnist("t10k"));
Deno.writeFileSync(`${folder}/inputs.u8`, test.inputs as Uint8Array);
Deno.writeFileSync(`${folder}/labels.u8`, test.labels as Uint8Array);
