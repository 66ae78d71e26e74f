/**
 * The end of a secure sum: shares in, masks off. Removing masks is the expensive part (one stream for each survivor, one for each pair of
 * a survivor and a dropout), so it goes in steps of the caller's size, here or on other cores.
 */
import { invariant } from "../../platform/invariant.ts";
import { equalBytes } from "../../protocols/codec.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { keyPairOf } from "./agreements.ts";
import type { Reveal, SumDependencies, SumOutcome } from "./contract.ts";
import type { MaskOrder } from "./mask_keys.ts";
import type { MaskWork } from "./mask_work.ts";
import { maskOf } from "./packing.ts";
import { refused } from "./roster.ts";
import {
  type Accepted,
  count,
  find,
  notInRoster,
  pieceFor,
  type ServerState,
  survived,
} from "./server_state.ts";
import { combineShares, SECRET_BYTES } from "./shamir.ts";
import { shareFits } from "./shares.ts";
import { commitment, COMMITTED } from "./transcripts.ts";

/** Masks taken off at once: a tenth of a second's work for another core with a small model. Handing over costs a copy of the sum each time. */
const MASKS_AT_ONCE = 256;
/** Secrets put together between two turns: some milliseconds among a thousand devices. */
const SECRETS_AT_ONCE = 64;

/** A survivor's shares of its neighbours' secrets. Refused as a whole when one does not fit what its owner committed to. */
export function acceptReveal(
  state: ServerState,
  device: DeviceId,
  { shares }: Reveal,
  deps: Pick<SumDependencies, "crypto">,
): Accepted {
  const found = find(state, device);
  if (found === undefined) return notInRoster(state, device);
  if (state.revealers.has(found.index)) return { ok: true, value: "repeated" };
  const input = state.inputs.get(found.index);
  if (state.phase !== "revealing" || input === undefined) {
    return count(
      state,
      refused("wrongPhase", `Cannot take shares from ${device} while ${state.phase}`, device),
    );
  }
  const { view } = found.roster;
  const owners = view.neighbours(found.index).filter((owner) =>
    state.shares.has(owner) && !input.unreadable.includes(owner)
  );
  if (shares.length !== owners.length * SECRET_BYTES) {
    return count(
      state,
      refused(
        "malformed",
        `Cannot take shares from ${device}: ${shares.length} bytes, expected ${
          owners.length * SECRET_BYTES
        }`,
        device,
      ),
    );
  }
  const pieces = owners.map((owner, i) => ({
    owner,
    x: view.neighbours(owner).indexOf(found.index) + 1,
    bytes: shares.slice(i * SECRET_BYTES, (i + 1) * SECRET_BYTES),
  }));
  for (const { owner, bytes } of pieces) {
    const sealed = pieceFor(state, { owner, holder: found.index });
    const fits = sealed === undefined || shareFits({
      sealed,
      kind: survived(state, owner) ? "seedShare" : "maskShare",
      roster: view.hash,
      owner: view.devices[owner]!,
      holder: device,
      share: bytes,
    }, deps.crypto);
    if (!fits) {
      return count(
        state,
        refused(
          "forgedShare",
          `Cannot take shares from ${device}: its share for ${view
            .devices[owner]!} is not the one it was given`,
          device,
        ),
      );
    }
  }
  for (const { owner, x, bytes } of pieces) {
    const known = state.revealed.get(owner);
    // More than the threshold are of no use.
    if (known === undefined) state.revealed.set(owner, [{ x, bytes }]);
    else if (known.length < view.shape.threshold) known.push({ x, bytes });
  }
  state.revealers.add(found.index);
  return { ok: true, value: "accepted" };
}

/** Devices whose secret is needed and lacks shares. Empty: `closingReveals` can go on without waiting for anybody. */
export function missingSecrets(state: ServerState): readonly DeviceId[] {
  if (state.roster === undefined || state.claim === undefined) return [];
  const { view } = state.roster;
  return neededSecrets(state)
    .filter((owner) => (state.revealed.get(owner)?.length ?? 0) < view.shape.threshold)
    .map((owner) => view.devices[owner]!);
}

/** Survivors' seeds, and mask secrets of those who shared keys and then fell away beside a survivor. */
function neededSecrets(state: ServerState): number[] {
  const { view } = state.roster!;
  return [...state.shares.keys()].filter((owner) =>
    survived(state, owner) || view.neighbours(owner).some((neighbour) => survived(state, neighbour))
  ).sort((a, b) => a - b);
}

/** What is left to take off. */
export interface Unmasking {
  readonly secrets: ReadonlyMap<number, Uint8Array>;
  /** Owner and, for a pair, the survivor on the other side. */
  readonly pending: { readonly owner: number; readonly survivor: number | null }[];
  /** How many there were. */
  readonly total: number;
}

/**
 * Puts the secrets together, in steps of some milliseconds each: for whoever has others waiting. Refused when one lacks shares (`tooFew`), or when the
 * shares that a device dealt do not give what it committed to: then it is named, and a further attempt goes without it.
 */
export function* closingReveals(
  state: ServerState,
  deps: Pick<SumDependencies, "crypto">,
): Generator<void, SumOutcome<Unmasking>, void> {
  if (state.phase !== "revealing") {
    return refused("wrongPhase", `Cannot unmask while ${state.phase}`);
  }
  const missing = missingSecrets(state);
  if (missing.length > 0) {
    return refused(
      "tooFew",
      `Cannot unmask: shares are missing for ${missing.length} devices, the first is ${missing[0]}`,
    );
  }
  const { view } = state.roster!;
  const secrets = new Map<number, Uint8Array>();
  const pending: { owner: number; survivor: number | null }[] = [];
  for (const [done, owner] of neededSecrets(state).entries()) {
    if (done % SECRETS_AT_ONCE === SECRETS_AT_ONCE - 1) yield;
    const secret = combineShares(state.revealed.get(owner)!.slice(0, view.shape.threshold));
    if (!secretHolds(state, { owner, secret }, deps)) {
      const device = view.devices[owner]!;
      return count(
        state,
        refused(
          "forgedShare",
          `Cannot unmask: the shares that ${device} dealt do not give its secret`,
          device,
        ),
      );
    }
    secrets.set(owner, secret);
    if (survived(state, owner)) pending.push({ owner, survivor: null });
    else {
      for (const survivor of view.neighbours(owner)) {
        if (survived(state, survivor)) pending.push({ owner, survivor });
      }
    }
  }
  state.phase = "unmasking";
  return { ok: true, value: { secrets, pending: pending.reverse(), total: pending.length } };
}

function secretHolds(
  state: ServerState,
  { owner, secret }: { readonly owner: number; readonly secret: Uint8Array },
  deps: Pick<SumDependencies, "crypto">,
): boolean {
  const { view } = state.roster!;
  const device = view.devices[owner]!;
  if (!survived(state, owner)) {
    return equalBytes(
      keyPairOf(deps.crypto, secret).publicKey,
      state.advertisements.get(device)!.maskKey,
    );
  }
  const known = state.shares.get(owner)?.seedCommitment;
  return known === undefined || equalBytes(
    known,
    commitment(deps.crypto, {
      roster: view.hash,
      kind: COMMITTED.seed,
      owner: device,
      holder: device,
      value: secret,
    }),
  );
}

/** Takes up to `max` masks out of the work; empty when all are taken. */
export function nextMasks(
  state: ServerState,
  work: Unmasking,
  options: { readonly max: number },
): readonly MaskOrder[] {
  const { devices, hash: roster } = state.roster!.view;
  const orders: MaskOrder[] = [];
  while (orders.length < options.max) {
    const next = work.pending.pop();
    if (next === undefined) break;
    const { owner, survivor } = next;
    const secret = work.secrets.get(owner)!;
    if (survivor === null) {
      orders.push({ type: "self", roster, seed: secret, sign: -1 });
      continue;
    }
    orders.push({
      type: "pair",
      roster,
      secret,
      publicKey: state.advertisements.get(devices[survivor]!)!.maskKey,
      earlier: devices[Math.min(owner, survivor)]!,
      later: devices[Math.max(owner, survivor)]!,
      // The survivor added the mask if it is the earlier one.
      sign: survivor < owner ? -1 : 1,
    });
  }
  return orders;
}

/** Takes all masks off, on other cores where there are some, in turns with everything else. Rejects when the mask work is closed. */
export async function takeMasksOff(
  state: ServerState,
  work: Unmasking,
  maskWork: MaskWork,
): Promise<void> {
  const next = () => maskWork.keys(nextMasks(state, work, { max: MASKS_AT_ONCE }));
  let jobs = await next();
  while (jobs.length > 0) {
    const applied = maskWork.apply(state.sum, jobs);
    // Whoever takes these off finds the next keys to make when it is done.
    [jobs] = await Promise.all([next(), applied]);
    await maskWork.pause();
  }
}

/** The finished sum. */
export interface FinishedSum {
  /** Modulo 2^bits. */
  readonly sum: Uint32Array<ArrayBuffer>;
  readonly survivors: readonly DeviceId[];
}

/** The sum of the survivors' vectors modulo 2^bits. All masks must be off. Hands out the state's own array. */
export function finishSum(state: ServerState, work: Unmasking): FinishedSum {
  invariant(
    state.phase === "unmasking" && work.pending.length === 0,
    () => `Cannot finish the sum: ${work.pending.length} masks are left while ${state.phase}`,
  );
  state.phase = "done";
  const mask = maskOf(state.round.bits);
  const { sum } = state;
  for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! & mask;
  const { devices } = state.roster!.view;
  return { sum, survivors: devices.filter((_, index) => survived(state, index)) };
}
