/**
 * How long does it take to find that a new version of a model follows from what ten devices signed, for the FedAvg paper's CNN? In the clear every submission is
 * hashed and all are combined again; with a secure sum the version is made of the sum. The promise is under a second. Beside it: naming and exporting.
 */
import { initialParameters } from "../../learning/engine/initial.ts";
import { mcmahanCnn, mlp2nn } from "../../learning/engine/networks.ts";
import { parameterLayout } from "../../learning/engine/shapes.ts";
import { writeOnnx } from "../../learning/models/onnx.ts";
import { writeSafetensors } from "../../learning/models/safetensors.ts";
import { verifyModel } from "../../learning/models/verify_model.ts";
import { parametersHash } from "../../learning/parameters.ts";
import {
  clearRound,
  crypto,
  deps,
  type FinishedRound,
  secureRound,
} from "../../tests/learning/proof_support.ts";
import { type Figure, median } from "../harness.ts";

const DEVICES = 10;
/** SPEC 7.6: any participant verifies in less than a second. */
const LIMIT_MS = 1_000;

/** Measures. */
export async function run({ quick }: { readonly quick: boolean }): Promise<readonly Figure[]> {
  const network = quick ? mlp2nn() : mcmahanCnn();
  const rounds = quick ? 1 : 5;
  const layout = parameterLayout(network);
  const parameters = initialParameters(network, new Uint8Array(32));
  const what = `${(layout.count / 1e6).toFixed(2)} M parameters`;
  const ms = async (name: string, body: () => unknown, limit?: number): Promise<Figure> => ({
    name: `${name}, ${what}`,
    value: await elapsedMs(rounds, body),
    unit: "ms",
    ...(limit === undefined || quick ? {} : { limit }),
  });
  const clear = clearRound(network, DEVICES);
  // One more, because one falls away.
  const secure = secureRound(network, DEVICES + 1);
  return [
    await ms(`verify a model in the clear, ${DEVICES} submissions`, () => verify(clear), LIMIT_MS),
    await ms(
      `verify a model of a secure sum, ${DEVICES} submissions`,
      () => verify(secure),
      LIMIT_MS,
    ),
    await ms("hash a model", () => parametersHash(parameters, crypto)),
    await ms("export a model as ONNX", () => writeOnnx(network, parameters)),
    await ms("export a model as safetensors", () => writeSafetensors(parameters, layout)),
  ];
}

async function verify(round: FinishedRound): Promise<void> {
  const verification = await verifyModel(round.result, {
    parent: round.parent,
    aggregate: round.aggregate,
    submissionOf: (device) => round.submitted.get(device),
  }, {
    opened: round.opened,
    expected: round.result,
    isParticipant: () => true,
    own: null,
    deps,
  });
  if (!verification.ok) throw new Error(verification.detail);
}

/** The median of `rounds`, after one to warm up. */
async function elapsedMs(rounds: number, body: () => unknown): Promise<number> {
  await body();
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const startedMs = performance.now();
    await body();
    times.push(performance.now() - startedMs);
  }
  return median(times);
}
