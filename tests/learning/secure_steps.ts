/** Steps of a secure sum that the node takes in parts, on other cores and in turns with everything else: here at once, on this thread. */
import { type ClientStep, prepareMasks } from "../../learning/secure/client.ts";
import type { ClientState } from "../../learning/secure/client_state.ts";
import type {
  MaskedInput,
  ReceivedShares,
  SumDependencies,
  SumOutcome,
} from "../../learning/secure/contract.ts";
import { maskKeys } from "../../learning/secure/mask_keys.ts";
import { applyMasks } from "../../learning/secure/mask_work.ts";
import type { ServerState } from "../../learning/secure/server_state.ts";
import { closingReveals, nextMasks, type Unmasking } from "../../learning/secure/unmask.ts";

/** Reads the neighbours' shares and masks the vector, in place. */
export function maskInput(
  state: ClientState,
  received: ReceivedShares,
  values: Uint32Array,
  deps: SumDependencies,
): SumOutcome<ClientStep<ClientState, MaskedInput>> {
  const prepared = prepareMasks(state, received, deps);
  if (!prepared.ok) return prepared;
  const { orders, finish } = prepared.value;
  applyMasks(values, maskKeys(deps.crypto, orders), deps.masks);
  return { ok: true, value: finish(values) };
}

/** Puts the secrets together. */
export function closeReveals(
  state: ServerState,
  deps: Pick<SumDependencies, "crypto">,
): SumOutcome<Unmasking> {
  const closing = closingReveals(state, deps);
  for (;;) {
    const step = closing.next();
    if (step.done === true) return step.value;
  }
}

/** Takes off up to `max` masks; true when none are left. */
export function unmaskStep(
  state: ServerState,
  work: Unmasking,
  options: { readonly max: number },
  deps: Pick<SumDependencies, "crypto" | "masks">,
): boolean {
  applyMasks(state.sum, maskKeys(deps.crypto, nextMasks(state, work, options)), deps.masks);
  return work.pending.length === 0;
}
