/** The runs of the mesh: starting, joining, leaving and ending them. Joining one starts its actor. */
import { networkHash, openPlan } from "../../learning/runs/opened_plan.ts";
import { encodePlan, LEARNING_TOPIC, PLAN_MEDIA_TYPE } from "../../learning/runs/plan_codec.ts";
import { RESULT_MEDIA_TYPE } from "../../learning/runs/result.ts";
import type { Block, BlockDraft } from "../../protocols/blocks/block.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { isAdmitted, may } from "../../protocols/registry/registry.ts";
import { nodeEvents } from "../events.ts";
import type { Outcome, Refusal } from "../handle.ts";
import type { TaskOutcome } from "../kernel/actor.ts";
import { replyOnce } from "../kernel/reply_once.ts";
import { problemOfBudget, restoreLedger } from "./accounting.ts";
import type { LoadedRuns, RunSummary } from "./commands.ts";
import { gridRun } from "./grid/grid_run.ts";
import { tellChild, tellMembership } from "./joined.ts";
import { partSetting } from "./kept_parts.ts";
import { forgetUpdate } from "./kept_update.ts";
import { JOINED_PREFIX, take } from "./reading.ts";
import { newestRound, wholeResults } from "./results_in_mind.ts";
import { RUNS_MAX } from "./runs_in_mind.ts";
import { wholeSetting } from "./restored.ts";
import type { RoundsDependencies } from "./rounds.ts";
import { run as runBehaviour } from "./run.ts";
import type { KnownRun, Of, Request, RoundsContext, RoundsState } from "./state.ts";

/** ε for a device's lifetime when nobody has said otherwise. */
const EPSILON_MAX = 10;

export function onLoaded(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  outcome: TaskOutcome<LoadedRuns>,
): void {
  if (!outcome.ok) {
    return context.log.write("warning", "runs could not be read", { error: String(outcome.error) });
  }
  const { blocks, joined, ledger, secrets, reputation } = outcome.value;
  for (const [device, points] of reputation) state.reputation.set(device as DeviceId, points);
  state.loaded = true;
  const restored = restoreLedger(context, ledger, deps.epsilonMax ?? EPSILON_MAX);
  // Without a ledger that can be read nothing may be spent.
  state.ledger = restored ?? { limit: { epsilon: Number.MIN_VALUE, delta: 1e-5 }, runs: [] };
  for (const [key, secret] of secrets) state.secrets.set(key, Uint8Array.fromBase64(secret));
  for (const block of blocks) take(context, state, deps, block, joined);
  for (const id of joined) {
    const run = state.runs.get(id);
    if (run !== undefined && !run.stopped) begin(context, state, deps, run, false);
  }
}

/** Starts the actor of a joined run. */
function begin(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  run: KnownRun,
  fresh: boolean,
): void {
  run.joined = true;
  if (run.child !== null || run.stopped) return;
  let opened;
  try {
    opened = openPlan(run.plan, deps);
  } catch (error) {
    run.problem = error instanceof Error ? error.message : String(error);
    return context.log.write("warning", "a run cannot be joined", {
      run: run.run,
      why: run.problem,
    });
  }
  // Two plans whose ids begin alike can be made; the whole id is of one only.
  const key = `run.${run.run}`;
  const { aggregation } = run.plan;
  const given = {
    ...deps,
    opened,
    run: run.run,
    startedBy: run.startedBy,
    // Only the newest lead on from where it is.
    results: aggregation.type === "grid" ? [...run.results] : wholeResults(run.results),
    registry: state.registry,
    fresh,
    rounds: context.self,
    examples: () => deps.examplesOf(run.plan),
  };
  run.child = aggregation.type === "grid"
    ? context.spawn(key, gridRun({ ...given, grid: aggregation }), { restart: "permanent" })
    : context.spawn(key, runBehaviour(given), { restart: "permanent" });
  tellChild(context, state, run);
  tellMembership(context, state, deps, [run.run]);
  context.publish(nodeEvents, { type: "runChanged", run: run.run, state: "running" });
}

/** Ends the actor of a run. */
export function endRun(context: RoundsContext, run: KnownRun): void {
  run.joined = false;
  run.report = null;
  if (run.child !== null) context.stopChild(run.child);
  run.child = null;
}

export function onStartRun(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  { plan, idempotencyKey, retry, replyTo }: Of<"startRun">,
): void {
  const refuse = (reason: Refusal["reason"], why: string) =>
    context.send(replyTo, { type: "refused", reason, message: `Cannot start a run: ${why}` });
  if (!state.loaded) return refuse("busy", "the node is still starting; try again");
  if (!isAdmitted(state.registry, deps.self)) {
    return refuse("noMesh", "this device belongs to no mesh; pair it with another first");
  }
  if (!may(state.registry, deps.self, "learn.coordinate")) {
    return refuse(
      "notPermitted",
      "this device lacks the permission learn.coordinate; an owner can grant it",
    );
  }
  if (!may(state.registry, deps.self, "learn.join")) {
    return refuse(
      "notPermitted",
      "this device lacks the permission learn.join; an owner can grant it",
    );
  }
  try {
    const opened = openPlan(plan, deps);
    if (networkHash(opened.network, deps.crypto) !== plan.networkHash) {
      return refuse("invalid", "its network differs");
    }
    const unpaid = retry ? undefined : problemOfBudget(state.ledger, opened);
    if (unpaid !== undefined) return refuse("invalid", unpaid);
  } catch (error) {
    return refuse("invalid", error instanceof Error ? error.message : String(error));
  }
  publish(context, state, deps, {
    draft: {
      kind: "model",
      topic: LEARNING_TOPIC,
      tags: ["run"],
      mediaType: PLAN_MEDIA_TYPE,
      body: encodePlan(plan),
    },
    idempotencyKey,
    request: { type: "start", replyTo },
  });
}

export function onPublishResult(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  { run, body }: Of<"publishResult">,
): void {
  publish(context, state, deps, {
    draft: {
      kind: "model",
      topic: LEARNING_TOPIC,
      tags: [run],
      mediaType: RESULT_MEDIA_TYPE,
      body,
    },
    idempotencyKey: null,
    request: { type: "result", run },
  });
}

export function onStopRun(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  { run: id, replyTo }: Of<"stopRun">,
): void {
  const run = state.runs.get(id);
  const refuse = (reason: Refusal["reason"], why: string) =>
    context.send(replyTo, { type: "refused", reason, message: `Cannot stop the run: ${why}` });
  if (run === undefined) return refuse("notFound", `no run ${id} is known here`);
  if (run.stopped) return context.send(replyTo, { type: "done", value: id });
  const mayStop = run.startedBy === deps.self ||
    may(state.registry, deps.self, "members.administer");
  if (!mayStop) {
    return refuse("notPermitted", "only who started it or an owner may; leave it instead");
  }
  if (stateOf(run) === "finished") {
    return refuse("invalid", "it has finished all its rounds; nothing is left to stop");
  }
  publish(context, state, deps, {
    draft: {
      kind: "tombstone",
      topic: LEARNING_TOPIC,
      tags: [],
      mediaType: PLAN_MEDIA_TYPE,
      body: new Uint8Array(),
      target: id,
    },
    idempotencyKey: null,
    request: { type: "stop", run: id, replyTo },
  });
}

function publish(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  { draft, idempotencyKey, request }: {
    readonly draft: BlockDraft;
    readonly idempotencyKey: string | null;
    readonly request: Request;
  },
): void {
  const id = state.nextRequest++;
  state.requests.set(id, request);
  const replyTo = context.spawn(
    `publish.${id}`,
    replyOnce(
      context.self,
      (outcome: Outcome<readonly Block[]>) => ({
        type: "published" as const,
        request: id,
        outcome,
      }),
    ),
    {
      restart: "temporary",
    },
  );
  context.send(deps.publisher, { type: "publish", drafts: [draft], idempotencyKey, replyTo });
}

/** The publisher has answered. */
export function onPublished(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  { request: id, outcome }: Of<"published">,
): void {
  const request = state.requests.get(id);
  state.requests.delete(id);
  if (request === undefined) return;
  if (outcome.type === "refused") {
    if (request.type === "start" || request.type === "stop") {
      context.send(request.replyTo, outcome);
    } else context.log.write("warning", "a result was not published", { why: outcome.message });
    return;
  }
  const block = outcome.value[0]!;
  if (request.type === "stop") {
    return context.send(request.replyTo, { type: "done", value: request.run });
  }
  if (request.type !== "start") return;
  take(context, state, deps, block);
  if (!state.runs.has(block.id)) {
    return context.send(request.replyTo, {
      type: "refused",
      reason: "unavailable",
      message:
        `Cannot start a run: this device has joined ${RUNS_MAX} runs, and keeps no more in mind; leave some that are over`,
    });
  }
  join(context, state, deps, {
    run: block.id,
    joined: true,
    fresh: true,
    replyTo: request.replyTo,
  });
}

export function onJoinRun(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  { run: id, replyTo }: Of<"joinRun">,
): void {
  const run = state.runs.get(id);
  const refuse = (reason: Refusal["reason"], why: string) =>
    context.send(replyTo, { type: "refused", reason, message: `Cannot join the run: ${why}` });
  if (run === undefined) return refuse("notFound", `no run ${id} is known here`);
  if (run.stopped) return refuse("invalid", "it was stopped");
  if (!may(state.registry, deps.self, "learn.join")) {
    return refuse(
      "notPermitted",
      "this device lacks the permission learn.join; an owner can grant it",
    );
  }
  try {
    openPlan(run.plan, deps);
  } catch (error) {
    return refuse("invalid", error instanceof Error ? error.message : String(error));
  }
  join(context, state, deps, { run: id, joined: true, fresh: false, replyTo });
}

export function onLeaveRun(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  { run: id, replyTo }: Of<"leaveRun">,
): void {
  if (!state.runs.has(id)) {
    const message = `Cannot leave the run: no run ${id} is known here`;
    return context.send(replyTo, { type: "refused", reason: "notFound", message });
  }
  join(context, state, deps, { run: id, joined: false, fresh: false, replyTo });
}

function join(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  request: Omit<Extract<Request, { type: "join" }>, "type">,
): void {
  const id = state.nextRequest++;
  state.requests.set(id, { type: "join", ...request });
  const value = request.joined ? true : undefined;
  context.perform(
    async () => {
      // Whoever has left finishes nothing.
      if (!request.joined) await forgetUpdate(deps, request.run);
      await deps.store.settings.set({
        [`${JOINED_PREFIX}${request.run}`]: value,
        ...(request.joined && { [wholeSetting(request.run)]: 0 }),
        ...(!request.joined && { [partSetting(request.run)]: undefined }),
      });
    },
    (outcome) => ({ type: "saved", request: id, outcome }),
  );
}

/** Joining or leaving is durable. */
export function onJoinSaved(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  { run: id, joined, fresh, replyTo }: Extract<Request, { type: "join" }>,
  problem: string | null,
): void {
  if (problem !== null) {
    return context.send(replyTo, {
      type: "refused",
      reason: "unavailable",
      message: `Cannot ${joined ? "join" : "leave"} the run: ${problem}`,
    });
  }
  const run = state.runs.get(id)!;
  if (joined) begin(context, state, deps, run, fresh);
  else {
    endRun(context, run);
    tellMembership(context, state, deps, [id]);
    context.publish(nodeEvents, { type: "runChanged", run: id, state: "open" });
  }
  context.send(replyTo, { type: "done", value: id });
}

/** All runs, newest first. */
export function summaries(state: RoundsState): readonly RunSummary[] {
  return [...state.runs.values()].reverse().map((run) => ({
    run: run.run,
    plan: run.plan,
    startedBy: run.startedBy,
    startedAtMs: run.startedAtMs,
    joined: run.joined,
    state: stateOf(run),
    report: run.report,
    devices: [...run.devices.keys()].filter((device) => state.up.has(device)).length +
      (run.joined ? 1 : 0),
    problem: run.problem,
    results: run.results.toSorted((a, b) => a.result.round - b.result.round),
  }));
}

function stateOf(run: KnownRun): RunSummary["state"] {
  if (run.stopped) return "stopped";
  // Where this device has joined, what it has made itself counts; elsewhere nobody has checked what the results say.
  const round = run.report?.round ?? Math.max(run.round, newestRound(run.results));
  if (round >= run.plan.rounds) return "finished";
  return run.joined ? "running" : "open";
}
