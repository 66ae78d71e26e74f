/** This device's own versions of a run on a grid: read, kept, and in the end published under its own name. */
import { initialPlaces } from "../../../learning/gossip_averaging/grid.ts";
import { submissionStatement } from "../../../learning/models/proof.ts";
import {
  parameterBytes,
  parametersFromBytes,
  parametersHash,
} from "../../../learning/parameters.ts";
import { firstModel } from "../../../learning/runs/opened_plan.ts";
import { encodeResult } from "../../../learning/runs/result.ts";
import { type ContentHash, publicKeyOf } from "../../../protocols/ids.ts";
import { headSetting } from "../adopting.ts";
import { keptSetting } from "../old_vectors.ts";
import type { GridHead, GridModel, OpenedGrid } from "./grid_commands.ts";
import type { GridContext, GridDependencies, GridState } from "./grid_state.ts";

type StoredHead = Omit<GridHead, "model">;

/** A result that has not come back by then is handed over again, ms. */
const PUBLISH_AGAIN_MS = 60_000;

/** Reads what the disk has of the run. */
export async function openGrid(deps: GridDependencies): Promise<OpenedGrid> {
  const stored = await deps.store.settings.get(headSetting(deps.run)) as StoredHead | undefined;
  const head = stored === undefined ? await firstHead(deps) : {
    ...stored,
    model: await modelOf(deps, stored.hash),
  };
  return { head, examples: await deps.examples() };
}

async function firstHead(deps: GridDependencies): Promise<GridHead> {
  const { startFrom } = deps.opened.plan;
  if (startFrom !== null) {
    const model = await modelOf(deps, startFrom);
    return { round: 0, hash: startFrom, parent: startFrom, places: null, model };
  }
  const values = firstModel(deps.opened).parameters;
  const hash = parametersHash(values, deps.crypto);
  return { round: 0, hash, parent: hash, places: null, model: { hash, values } };
}

async function modelOf(deps: GridDependencies, hash: ContentHash): Promise<GridModel | null> {
  const bytes = await deps.vectors.get(hash);
  const values = bytes && parametersFromBytes(bytes);
  return values?.length === deps.opened.layout.count ? { hash, values } : null;
}

/** Makes a version durable; the one before goes, unless somebody holds on to it. */
export async function keepHead(
  { vectors, store: { settings }, run, opened }: GridDependencies,
  head: GridHead & { readonly model: GridModel },
): Promise<GridHead> {
  const { model, ...stored } = head;
  const { hash, parent } = head;
  await vectors.put(hash, parameterBytes(model.values));
  await settings.set({ [headSetting(run)]: stored satisfies StoredHead });
  const stays = parent === hash || parent === opened.plan.startFrom ||
    await settings.get(keptSetting(parent)) === true;
  if (!stays) await vectors.remove(parent);
  return head;
}

/**
 * Where a device stands before its first averaging. Those who begin together know of each other and fill the grid by their order; whoever comes later takes a
 * place that follows from its name.
 */
export function firstPlaces(state: GridState, deps: GridDependencies): readonly number[] {
  const { grid, self, opened, crypto } = deps;
  if (state.head?.round === 0) {
    const known = [...state.peers.values()].filter(({ up }) => up).map(({ deviceId }) => deviceId);
    return initialPlaces(grid, [...known, self].sort().indexOf(self));
  }
  const drawn = crypto.sha256(opened.plan.seed, publicKeyOf(self));
  const number = new DataView(drawn.buffer, drawn.byteOffset).getUint32(0);
  return initialPlaces(grid, number % grid.side ** grid.dimensions);
}

/**
 * The last version becomes a signed block of this device: its one submission is its own, and what is released are the parameters themselves. Devices that have
 * averaged the same bits name the same version.
 */
export function publishLast(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
): void {
  const { head } = state;
  const nowMs = context.monotonicMs();
  const isUnderWay = state.publishedAtMs !== null &&
    nowMs - state.publishedAtMs < PUBLISH_AGAIN_MS;
  if (head?.model == null || state.isPublished || isUnderWay) return;
  state.publishedAtMs = nowMs;
  const { run, self, signer, opened } = deps;
  const { round, hash, parent } = head;
  const subject = { run, round, attempt: 0, parent };
  const submission = { commitment: hash, weight: 1 };
  const { tally } = state;
  const bytes = 4 * opened.layout.count;
  context.send(deps.rounds, {
    type: "publishResult",
    run,
    body: encodeResult({
      version: 1,
      ...subject,
      term: 0,
      result: hash,
      state: null,
      aggregate: { hash, bytes },
      submissions: [{
        device: self,
        ...submission,
        signature: signer.sign(submissionStatement(subject, submission)),
      }],
      sums: [],
      counts: {
        called: state.peers.size + 1,
        ready: tally.ready,
        dropped: tally.dropped,
        refused: tally.refused,
      },
      durationMs: 0,
      updateBytes: bytes,
    }),
  });
}
