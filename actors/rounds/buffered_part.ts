/**
 * Our part in a run whose updates gather in a buffer: train from the newest version, hand in, train from the next. Nobody is called and nobody waits for us.
 *
 * Invariants:
 * - One update for each version we have trained from, the same to whichever coordinator.
 * - One update in a buffer: the next is handed in when that one is in a version, or too old for any.
 * - What was handed in is kept until then, and handed in again to every further buffer: a coordinator that dies loses nothing.
 */
import { BUFFERED_ATTEMPT, chainLength, chainTo } from "../../learning/runs/buffered.ts";
import { mayPublish } from "./adopting.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type {
  Attempt,
  CoordinatorBeat,
  SubmissionRefused,
} from "../../protocols/rounds/messages.ts";
import { type BufferedState, headPlace, openBuffer } from "./buffered_state.ts";
import type { CommittedResult } from "./commands.ts";
import { lookAgain } from "./local_training.ts";
import {
  newPart,
  type Of,
  type RunActorState,
  type RunContext,
  type RunDependencies,
} from "./run_state.ts";
import { attemptOf, isReachable, shortReason, tell } from "./talking.ts";
import { beginTraining, onCharged, onPrepared, onTrained } from "./training.ts";

/** Does what comes next, if anything does: hands in what is ready, trains from a version that is new. Asked whenever something has changed. */
export function takePart(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  if (deps.opened.strategy.buffer === null || state.head === undefined) return;
  handIn(context, state, deps);
  train(context, state, deps);
}

function handIn(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const { buffered, coordinator } = state;
  const { stalenessMax } = deps.opened.strategy.buffer!;
  dropStale(context, state, deps);
  if (buffered.handed === null && state.part?.phase === "submitted") {
    letGo(buffered);
    buffered.handed = state.part;
    state.part = null;
    dropStale(context, state, deps);
  }
  const { handed } = buffered;
  const key = openBuffer(state);
  if (handed === null || handed.submission === null || key === null || coordinator === null) return;
  if (!isHere(state, deps)) return;
  const place = nameOf(coordinator, key);
  const staleness = key.round - handed.key.round;
  if (buffered.refusedFor !== null && buffered.refusedFor !== key.round) return;
  if (buffered.told === place || staleness < 0 || staleness > stalenessMax) return;
  buffered.told = place;
  handed.coordinator = coordinator;
  tell(context, deps, coordinator, { ...handed.submission, term: key.term });
}

/** An update that no further version could take is forgotten. */
function dropStale(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const { buffered, head } = state;
  const { stalenessMax } = deps.opened.strategy.buffer!;
  const { handed } = buffered;
  if (handed === null) return;
  const versions = head!.round + 1 - handed.key.round;
  if (versions <= stalenessMax) return;
  letGo(buffered);
  context.log.write("warning", "our update came too late for every version", {
    round: handed.key.round,
    versions,
    stalenessMax,
  });
}

function train(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const { buffered, coordinator, examples } = state;
  const head = state.head!;
  const key = openBuffer(state);
  const { plan } = deps.opened;
  if (state.part !== null || head.model === null || head.round >= plan.rounds) return;
  if (key === null || coordinator === null || examples === undefined) return;
  // Whoever is slow may never have the very newest: what it has will do, unless no version could take what comes of it.
  const behind = key.round - 1 - head.round;
  if (behind < 0 || behind > deps.opened.strategy.buffer!.stalenessMax) return;
  // What compression leaves out is known when the update before is in a version.
  if (plan.compression !== null && buffered.handed !== null) return;
  const from = JSON.stringify(headPlace(state));
  if (buffered.trainedFrom === from) return;
  if ("unavailable" in examples) {
    const name = nameOf(coordinator, key);
    if (buffered.declined === name) return;
    buffered.declined = name;
    lookAgain(context, state, deps);
    const reason = shortReason(examples.unavailable);
    return tell(context, deps, coordinator, { type: "decline", ...key, why: "noData", reason });
  }
  buffered.trainedFrom = from;
  state.part = newPart({
    key: { ...attemptOf(key), round: head.round + 1, attempt: BUFFERED_ATTEMPT },
    coordinator,
    called: [],
    release: 0,
    base: head.parameters,
  });
  beginTraining(context, state, deps);
}

/** The coordinator says which buffer is open. */
export function onBeat(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  beat: CoordinatorBeat,
): void {
  state.buffered.open = beat.phase === "training" ? attemptOf(beat) : null;
  takePart(context, state, deps);
}

/** Our update was refused: another try at the same version may take it; when we have the next version, it is forgotten. */
export function onRefused(
  state: RunActorState,
  deps: RunDependencies,
  refusal: SubmissionRefused,
): void {
  const { buffered, coordinator } = state;
  if (deps.opened.strategy.buffer === null || coordinator === null) return;
  if (buffered.told === nameOf(coordinator, refusal)) buffered.refusedFor = refusal.round;
}

/** One buffer as text. */
function nameOf(coordinator: DeviceId, { term, round, attempt }: Attempt): string {
  return JSON.stringify([coordinator, term, round, attempt]);
}

/** True while the coordinator can be told something. */
function isHere(state: RunActorState, deps: RunDependencies): boolean {
  return state.coordinator !== null && isReachable(state, deps, state.coordinator);
}

/** The coordinator may have lost what we said to it: it is said again when it is back. */
export function onPeersChanged(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  if (!isHere(state, deps)) state.buffered.told = null;
  takePart(context, state, deps);
}

/** The ledger has answered. Where a newer version has come meanwhile, that is trained from. */
export function onChargedForBuffer(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  answer: Of<"charged">,
): void {
  const { part, head } = state;
  if (part?.phase === "training" && part.update === null && part.base !== head?.parameters) {
    if (part.key.round === answer.round) state.part = null;
    return takePart(context, state, deps);
  }
  onCharged(context, state, deps, answer);
}

/** Trained; or not, and the next version is another chance. */
export function onTrainedForBuffer(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  trained: Of<"trained">,
): void {
  const isOurs = state.part?.key.round === trained.round;
  onTrained(context, state, deps, trained);
  if (isOurs && !trained.outcome.ok) state.part = null;
}

/** The update is signed: it is handed in as soon as there is room for it. */
export function onPreparedForBuffer(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  prepared: Of<"prepared">,
): void {
  const isOurs = state.part?.key.round === prepared.round;
  onPrepared(context, state, deps, prepared, () => takePart(context, state, deps));
  if (isOurs && !prepared.outcome.ok) state.part = null;
}

/** A version is ours: remembers what led to it, and lets go of an update that is in one. */
export function onVersion(
  state: RunActorState,
  deps: RunDependencies,
  { result }: Pick<CommittedResult, "result">,
): void {
  const { buffered } = state;
  const length = chainLength(deps.opened.strategy.buffer!);
  // What made our versions stands; other blocks that claim the same version only fill what is missing.
  const known = [...knownResults(state), ...buffered.lineage, result];
  buffered.lineage = chainTo(headPlace(state), known, length);
  const { handed } = buffered;
  const isCounted = handed !== null &&
    buffered.lineage.some(({ submissions }) =>
      submissions.some(({ device, commitment }) =>
        device === deps.self && commitment === handed.submission?.update.hash
      )
    );
  if (isCounted && handed.update?.type === "clear") state.residual = handed.update.residual;
  const { refusedFor } = buffered;
  if (isCounted || (refusedFor !== null && refusedFor <= state.head!.round + 1)) letGo(buffered);
}

function letGo(buffered: BufferedState): void {
  buffered.handed = null;
  buffered.told = null;
  buffered.refusedFor = null;
}

/** The run was opened: what led to the version on the disk is among the results. */
export function onOpenedForBuffer(state: RunActorState, deps: RunDependencies): void {
  const { buffer } = deps.opened.strategy;
  if (buffer === null) return;
  const { head, waiting } = state;
  const own = head?.block == null ? undefined : waiting.get(head.block);
  const known = [...knownResults(state), ...(own ? [own.result] : []), ...state.buffered.lineage];
  state.buffered.lineage = chainTo(headPlace(state), known, chainLength(buffer));
}

/** Results that have come and are not looked through yet, of those who may publish; of everybody while it is not known who may. */
function* knownResults(state: RunActorState) {
  for (const { author, result } of state.waiting.values()) {
    if (state.registry === null || mayPublish(state, author)) yield result;
  }
}
