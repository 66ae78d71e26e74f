/** What blocks say of runs: plans, results, and ends. Results of many devices are larger than a block and are read when all their parts are here. */
import { decodePlan, LEARNING_TOPIC, PLAN_MEDIA_TYPE } from "../../learning/runs/plan_codec.ts";
import { decodeResult, RESULT_BYTES_MAX, RESULT_MEDIA_TYPE } from "../../learning/runs/result.ts";
import type { RunId } from "../../learning/runs/plan.ts";
import { type Block, INLINE_BODY_BYTES_MAX } from "../../protocols/blocks/block.ts";
import { may } from "../../protocols/registry/registry.ts";
import type { Store } from "../../store/store.ts";
import { readBody } from "../block_views.ts";
import { nodeEvents } from "../events.ts";
import type { BlocksCommitted } from "../storage/commands.ts";
import type { CommittedResult, LoadedRuns } from "./commands.ts";
import { forgetParts, forgetSecrets } from "./accounting.ts";
import { REPUTATION_PREFIX } from "./faults.ts";
import { LEDGER_KEY, SECRET_PREFIX } from "./ledger_setting.ts";
import { endRun } from "./library.ts";
import { keepResult } from "./results_in_mind.ts";
import type { RoundsDependencies } from "./rounds.ts";
import { keepEarly, makeRoomForRun } from "./runs_in_mind.ts";
import type { KnownRun, Of, RoundsContext, RoundsState } from "./state.ts";

/** Settings: runs this device has joined. */
export const JOINED_PREFIX = "learning/joined/";
const PAGE = 200;
/** Ends kept in mind that do not count, or not yet. */
const ENDS_MAX = 100;
/** Results whose parts are still on their way, at most. */
const INCOMPLETE_MAX = 100;
/** Pause before parts are looked for again, ms. */
const PARTS_MS = 1_000;

/** Reads everything about learning. */
export async function loadRuns(store: Pick<Store, "blocks" | "settings">): Promise<LoadedRuns> {
  const blocks: Block[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.blocks.list({
      topic: LEARNING_TOPIC,
      kinds: ["model", "tombstone"],
      limit: PAGE,
      ...(cursor !== undefined && { cursor }),
    });
    blocks.push(...page.blocks);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  const joined = new Set(
    (await store.settings.entries(JOINED_PREFIX))
      .filter(([, value]) => value === true)
      .map(([key]) => key.slice(JOINED_PREFIX.length) as RunId),
  );
  const secrets = new Map((await store.settings.entries(SECRET_PREFIX))
    .flatMap(([key, value]) =>
      typeof value === "string" ? [[key.slice(SECRET_PREFIX.length), value] as const] : []
    ));
  return {
    blocks: blocks.reverse(),
    joined,
    ledger: await store.settings.get(LEDGER_KEY),
    secrets,
    reputation: new Map(
      (await store.settings.entries(REPUTATION_PREFIX)).flatMap(([key, points]) =>
        typeof points === "number" ? [[key.slice(REPUTATION_PREFIX.length), points] as const] : []
      ),
    ),
  };
}

export function onBlocksCommitted(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  event: BlocksCommitted,
): void {
  for (const { block } of event.blocks) {
    if (block.header.topic === LEARNING_TOPIC) take(context, state, deps, block);
  }
}

/** Reads a result that does not fit into its block; until all parts are here, again and again. */
function readLarge(
  context: RoundsContext,
  state: RoundsState,
  { store }: RoundsDependencies,
  block: Block,
): void {
  if (state.incomplete.size >= INCOMPLETE_MAX && !state.incomplete.has(block.id)) {
    state.incomplete.delete(state.incomplete.keys().next().value!);
  }
  state.incomplete.set(block.id, block);
  context.perform(async () => {
    const body = await readBody(store, block.id);
    if (body.type === "refused") return null;
    return new Uint8Array(await new Response(body.value).arrayBuffer());
  }, (outcome) => ({ type: "bodyRead", block, outcome }));
}

/** A result's parts were looked for. */
export function onBodyRead(
  context: RoundsContext,
  state: RoundsState,
  { block, outcome }: Of<"bodyRead">,
): void {
  if (!outcome.ok || outcome.value === null) {
    return context.startTimer("parts", PARTS_MS, { type: "partsDue" });
  }
  if (state.incomplete.delete(block.id)) takeResult(context, state, block, outcome.value);
}

/** More parts may have come. */
export function onPartsDue(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
): void {
  for (const block of [...state.incomplete.values()]) readLarge(context, state, deps, block);
}

/** Who is an owner has changed, or is known now: ends that did not count may do so. */
export function takeEnds(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
): void {
  const ends = state.ends;
  state.ends = [];
  for (const block of ends) take(context, state, deps, block);
}

/** What one block says of runs. `kept`: runs that are joined as soon as everything is read, and make no room for others. */
export function take(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  block: Block,
  kept: ReadonlySet<RunId> = new Set(),
): void {
  const { kind, mediaType, author, timeMs, target, bodyBytes } = block.header;
  if (kind === "tombstone") {
    const run = target === null ? undefined : state.runs.get(target);
    if (run === undefined || run.stopped) return;
    // Its starter, or an owner.
    if (run.startedBy !== author && !may(state.registry, author, "members.administer")) {
      state.ends = [...state.ends, block].slice(-ENDS_MAX);
      return;
    }
    run.stopped = true;
    endRun(context, run);
    forgetSecrets(context, state, deps, run.run, null);
    forgetParts(context, deps, run.run);
    return context.publish(nodeEvents, { type: "runChanged", run: run.run, state: "stopped" });
  }
  if (kind !== "model" || block.payload === null) return;
  if (mediaType === PLAN_MEDIA_TYPE) {
    if (state.runs.has(block.id)) return;
    const decoded = decodePlan(block.payload);
    if (!decoded.ok) {
      return context.log.write("info", "a plan was not read", {
        block: block.id,
        reason: decoded.reason,
      });
    }
    if (!makeRoomForRun(state, kept)) {
      return context.log.write("warning", "a plan was not read", {
        block: block.id,
        reason: "this device has joined as many runs as it keeps in mind",
      });
    }
    const known: KnownRun = {
      run: block.id,
      plan: decoded.message,
      startedBy: author,
      startedAtMs: timeMs,
      joined: false,
      stopped: false,
      problem: null,
      round: 0,
      finishedAtMs: null,
      roomUpTo: 1,
      results: [],
      held: new Map(),
      report: null,
      child: null,
      devices: new Map(),
      heardOf: new Map(),
      places: new Map(),
      arrivals: 0,
      naming: { arrivals: 0, devices: [] },
      told: new Map(),
      seats: null,
      sought: new Set(),
      isSettled: false,
      companyPending: false,
    };
    for (const early of state.early.get(block.id) ?? []) {
      if (early.result.round <= decoded.message.rounds) keepResult(known, early);
    }
    state.early.delete(block.id);
    state.runs.set(block.id, known);
    return context.publish(nodeEvents, { type: "runChanged", run: block.id, state: "open" });
  }
  if (mediaType !== RESULT_MEDIA_TYPE || bodyBytes > RESULT_BYTES_MAX) return;
  if (bodyBytes > INLINE_BODY_BYTES_MAX) return readLarge(context, state, deps, block);
  takeResult(context, state, block, block.payload);
}

/** A result says which version follows from which. */
function takeResult(
  context: RoundsContext,
  state: RoundsState,
  block: Block,
  body: Uint8Array,
): void {
  const { author, timeMs } = block.header;
  const decoded = decodeResult(body);
  if (!decoded.ok) {
    return context.log.write("info", "a result was not read", {
      block: block.id,
      reason: decoded.reason,
    });
  }
  const result = decoded.message;
  const committed: CommittedResult = { block: block.id, author, atMs: timeMs, result };
  const run = state.runs.get(result.run);
  if (run === undefined) return keepEarly(state, committed);
  if (result.round > run.plan.rounds || !keepResult(run, committed)) return;
  if (run.child !== null) context.send(run.child, { type: "resultCommitted", committed });
}
