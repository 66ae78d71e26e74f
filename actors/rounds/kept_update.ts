/**
 * The update that is in the masked vector, on the disk from before that is handed in until the round is over: those who have signed for one set of survivors do the round
 * again with the very same updates only, and a device that made its own anew after a restart may get another one, such as from examples that have
 * come since, and would keep all of them waiting.
 *
 * Invariants:
 * - It is encrypted under a key of its own. The key is in a setting that no backup brings back, and goes with the round. Whoever asks for the vector by its name,
 *   the hash of what was encrypted, gets noise.
 * - Nothing is lost with it: the update is made anew then, and the word that was given says whether it is the same.
 */
import { z } from "zod";
import { smallAggregationOf } from "../../learning/runs/aggregation_choice.ts";
import type { LocalUpdate } from "../../learning/runs/update.ts";
import type { ContentHash } from "../../protocols/ids.ts";
import { ONCE_PREFIX } from "../../store/store.ts";
import type { OwnTraining } from "./local_training.ts";
import type { Part, RunActorState, RunDependencies } from "./run_state.ts";

const KEY_BYTES = 32;
/** Each key encrypts once. */
const NONCE = new Uint8Array(12);
const NO_MORE = new Uint8Array();

/** Setting: where the update of the round under way is, and its key. */
export function updateSetting(run: string): string {
  return `${ONCE_PREFIX}learning/update/${run}`;
}

const hash = z.string().regex(/^[0-9a-f]{64}$/).transform((text) => text as ContentHash);
const schema = z.strictObject({
  round: z.int().min(1),
  release: z.int().min(0),
  /** SHA-256 of the update. */
  vector: hash,
  /** And of what lies on the disk. */
  hash,
  key: z.base64().transform((text) => Uint8Array.fromBase64(text)),
  /** Of the training that it came from; null when it is not known any more. */
  loss: z.number().nullable(),
  /** Absent in what was kept before it was measured. */
  compressionError: z.number().nullable().default(null),
});
type Stored = z.infer<typeof schema>;

type Disk = {
  readonly store: Pick<RunDependencies["store"], "settings">;
  readonly vectors: Pick<RunDependencies["vectors"], "put" | "get" | "remove">;
};

async function stored({ store }: Disk, run: string): Promise<Stored | undefined> {
  const parsed = schema.safeParse(await store.settings.get(updateSetting(run)));
  return parsed.success ? parsed.data : undefined;
}

/** Our update of a part, to be kept by `keepUpdate`; null where nobody does a round again with the same updates. */
export function updateToKeep(
  { update, vector, release, key: { round } }: Part,
  { trainings }: Pick<RunActorState, "trainings">,
  { opened: { plan } }: Pick<RunDependencies, "opened">,
): KeptUpdate | null {
  const isForSets = smallAggregationOf(plan) !== null ||
    (plan.aggregation.type === "secure" && plan.privacy === null);
  if (!isForSets || update?.type !== "secure" || vector === null) return null;
  const { loss = null, compressionError = null } = trainings.get(round) ?? {};
  return { round, release, values: update.values, vector, loss, compressionError };
}

/** Which update is kept, and what of. */
export interface KeptUpdate extends OwnTraining {
  readonly round: number;
  readonly release: number;
  readonly values: Uint32Array<ArrayBuffer>;
  readonly vector: string;
}

/** Durable when it resolves, or given up: a disk that has no room for it keeps no device from its round. `key` is used for nothing else. */
export async function keepUpdate(
  deps: Disk & Pick<RunDependencies, "run" | "crypto">,
  update: KeptUpdate | null,
  key: Uint8Array,
): Promise<void> {
  if (update === null) return;
  const { values, ...which } = update;
  const { run, crypto, store, vectors } = deps;
  try {
    const before = await stored(deps, run);
    if (
      before?.round === which.round && before.release === which.release &&
      before.vector === which.vector
    ) return;
    const plaintext = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const sealed = crypto.seal({ key, nonce: NONCE, plaintext, associated: NO_MORE });
    const name = crypto.sha256Hex(sealed) as ContentHash;
    // Named first, so that what lies on the disk is always found to be removed.
    await store.settings.set({
      [updateSetting(run)]: { ...which, hash: name, key: key.toBase64() },
    });
    if (before !== undefined) await vectors.remove(before.hash);
    await vectors.put(name, sealed);
  } catch {
    // The next write, without which nothing is handed in, tells of a disk that fails altogether.
  }
}

/** The update of a release at a round; undefined when there is none, or it is damaged. */
export async function readUpdate(
  deps: Disk & Pick<RunDependencies, "run" | "crypto">,
  { round, release }: Pick<KeptUpdate, "round" | "release">,
): Promise<OwnTraining & { readonly update: LocalUpdate } | undefined> {
  const known = await stored(deps, deps.run);
  if (known?.round !== round || known.release !== release || known.key.length !== KEY_BYTES) {
    return undefined;
  }
  const sealed = await deps.vectors.get(known.hash);
  const { key } = known;
  const plaintext = sealed &&
    deps.crypto.open({ key, nonce: NONCE, ciphertext: sealed, associated: NO_MORE });
  if (plaintext === undefined || deps.crypto.sha256Hex(plaintext) !== known.vector) {
    return undefined;
  }
  const values = new Uint32Array(plaintext.slice().buffer);
  // What compression left out is not kept: a device that restarts has none.
  const { loss, compressionError } = known;
  return { update: { type: "secure", values, residual: null }, loss, compressionError };
}

/** Removes what is kept of rounds up to `round`. */
export async function forgetUpdate(deps: Disk, run: string, round = Infinity): Promise<void> {
  const setting = updateSetting(run);
  if (await deps.store.settings.get(setting) === undefined) return;
  const known = await stored(deps, run);
  if (known !== undefined && known.round > round) return;
  if (known !== undefined) await deps.vectors.remove(known.hash);
  await deps.store.settings.set({ [setting]: undefined });
}
