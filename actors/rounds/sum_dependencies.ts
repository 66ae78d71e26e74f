/** What the secure sum needs from the world, out of what the actor of a run has. */
import type { SumClientDependencies, SumDependencies } from "../../learning/secure/contract.ts";
import { publicKeyOf } from "../../protocols/ids.ts";
import type { RunContext, RunDependencies } from "./run_state.ts";

/** For the coordinator's steps. */
export function sumDependencies(deps: RunDependencies): SumDependencies {
  return {
    crypto: deps.crypto,
    masks: deps.masks,
    verify: (device, message, signature) =>
      deps.crypto.verify({ publicKey: publicKeyOf(device), message, signature }),
  };
}

/** For a device's own steps. */
export function sumClientDependencies(
  context: RunContext,
  deps: RunDependencies,
): SumClientDependencies {
  return {
    ...sumDependencies(deps),
    sign: (message) => deps.signer.sign(message),
    random: context.random,
  };
}
