/** Which sum a proof in a result is about, and whether what its devices say of it adds up to what was published. */
import type { Crypto, MaskStream } from "../../platform/ports.ts";
import { bitmapOf } from "../secure/bitmap.ts";
import type { SumOutcome, SurvivorClaim } from "../secure/contract.ts";
import { merkleLevels, merkleRoot } from "../secure/merkle.ts";
import { rosterBytes, type RosterView, rosterView } from "../secure/roster.ts";
import { addsUp, checkTotals } from "../secure/sum_check.ts";
import { inputLeafOf } from "../secure/transcripts.ts";
import type { OpenedPlan } from "./opened_plan.ts";
import { sumsIn } from "./release.ts";
import type { RoundResult, SurvivorProof } from "./result.ts";
import { sumRoundOf } from "./secure_round.ts";

/** What a proof is read with. `opened` is the plan for the result's round. */
export interface ProofReading {
  readonly result: RoundResult;
  readonly opened: OpenedPlan;
  readonly deps: {
    readonly crypto: Pick<Crypto, "sha256" | "hkdf" | "seal" | "open" | "agreementKeyPair">;
    readonly masks: MaskStream;
  };
}

/** The roster that a proof names; refused when there cannot be such a one. */
export function rosterOfProof(
  { roster, rosterRoot }: SurvivorProof,
  { result, opened, deps }: ProofReading,
): SumOutcome<RosterView> {
  const round = sumRoundOf(opened, {
    run: result.run,
    round: result.round,
    attempt: result.attempt,
    modelHash: result.parent,
    devices: result.counts.called,
  });
  return rosterView({ round: round!, devices: rosterBytes(roster), root: rosterRoot }, deps);
}

/** What the survivors signed. All of the proof's inputs must be in the roster. */
export function claimOfProof(
  { roster, inputs }: SurvivorProof,
  { indexOf }: RosterView,
  crypto: Pick<Crypto, "sha256">,
): Pick<SurvivorClaim, "survivors" | "inputsRoot"> {
  const indices = inputs.map(({ device }) => indexOf.get(device)!);
  const levels = merkleLevels(crypto, inputs.map(({ hash }, i) => inputLeafOf(indices[i]!, hash)));
  return { survivors: bitmapOf(indices, roster.length), inputsRoot: merkleRoot(levels) };
}

/**
 * Compares the sums of `aggregate` with what their devices say of them, where they do. The result's shape and signatures must have been checked. Undefined
 * when all that is said holds.
 */
export async function confirmationsProblem(
  aggregate: Uint8Array,
  reading: ProofReading,
): Promise<string | undefined> {
  const { result, opened, deps } = reading;
  if (result.sums.every(({ confirmations }) => confirmations === undefined)) return undefined;
  const sums = sumsIn(opened, aggregate, result.counts.called);
  const hash = Uint8Array.fromHex(result.aggregate.hash);
  for (const [i, proof] of result.sums.entries()) {
    const { confirmations } = proof;
    if (confirmations === undefined) continue;
    const view = rosterOfProof(proof, reading);
    if (!view.ok) return view.detail;
    const { sum, bits } = sums[i]!;
    const claim = claimOfProof(proof, view.value, deps.crypto);
    const totals = await checkTotals(sum, {
      opened: { roster: view.value.hash, claim, aggregate: hash },
      bits,
    }, { ...deps, pause: () => Promise.resolve() });
    if (addsUp(confirmations, { totals, bits })) continue;
    return `what its ${confirmations.length} devices say of sum ${i + 1} does not add up to it`;
  }
  return undefined;
}
