/**
 * Federated learning on this device: knows every run of the mesh from its blocks, keeps the privacy ledger, and has a child for each run it has joined.
 *
 * Invariants:
 * - The ledger is durable before a child may train on what it was charged for.
 * - A result counts for this device when its block is durable here.
 */
import type { LearningTask, TaskExamples } from "../../learning/task.ts";
import type { Trainer } from "../../learning/trainer.ts";
import type { MaskWork } from "../../learning/secure/mask_work.ts";
import type { PaillierWork } from "../../learning/secure/paillier_work.ts";
import type { RunPlan } from "../../learning/runs/plan.ts";
import type { Crypto, MaskStream, Signer } from "../../platform/ports.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { Store } from "../../store/store.ts";
import type { VectorStore } from "../../store/vectors.ts";
import type { Behaviour, Ref } from "../kernel/actor.ts";
import { membershipChanged } from "../members/commands.ts";
import type { PublisherCommand } from "../publisher/commands.ts";
import { peerSessions, type SessionsCommand } from "../sessions/commands.ts";
import { blocksCommitted } from "../storage/commands.ts";
import { budgetOf, forgetSecrets, onCharge, onSaved, onSetBudget } from "./accounting.ts";
import { onRoundFaults } from "./faults.ts";
import { onFetchEnded, onFetchVector } from "./fetching.ts";
import type { RoundsCommand } from "./commands.ts";
import {
  onJoinRun,
  onLeaveRun,
  onLoaded,
  onPublished,
  onPublishResult,
  onStartRun,
  onStopRun,
  summaries,
} from "./library.ts";
import { removeOldVectors, ROUNDS_KEPT } from "./old_vectors.ts";
import { loadRuns, onBlocksCommitted, onBodyRead, onPartsDue, takeEnds } from "./reading.ts";
import { metricsSetting } from "./reporting.ts";
import {
  onCompanyDue,
  onMembershipChanged,
  onPeerMessage,
  onSeatsDue,
  onSessionChanged,
  tellMembership,
} from "./joined.ts";
import { vectorsInUse } from "./vectors_in_use.ts";
import { dropResult } from "./results_in_mind.ts";
import { emptyState, type KnownRun, type RoundsContext, type RoundsState } from "./state.ts";
import { nodeEvents } from "../events.ts";

export interface RoundsDependencies {
  readonly self: DeviceId;
  readonly crypto: Crypto;
  readonly signer: Signer;
  readonly masks: MaskStream;
  readonly maskWork: MaskWork;
  readonly paillier: PaillierWork;
  readonly store: Store;
  readonly vectors: VectorStore;
  readonly sessions: Ref<SessionsCommand>;
  readonly publisher: Ref<PublisherCommand>;
  readonly tasks: readonly LearningTask[];
  readonly trainer: Trainer;
  /** This device's examples for a plan. */
  readonly examplesOf: (plan: RunPlan) => Promise<TaskExamples | { readonly unavailable: string }>;
  /** ε for this device's lifetime when nobody has said otherwise; default 10. */
  readonly epsilonMax?: number;
}

/** Pause before a disk that fails is read again, ms. */
const RELOAD_MS = 5_000;

/** The rounds actor. */
export function rounds(deps: RoundsDependencies): Behaviour<RoundsCommand, RoundsState> {
  return {
    name: "rounds",
    init(context) {
      context.subscribe(membershipChanged, (event) => ({ type: "membershipChanged", event }));
      context.subscribe(blocksCommitted, (event) => ({ type: "blocksCommitted", event }));
      context.subscribe(peerSessions, (event) => ({ type: "sessionChanged", event }));
      context.send(deps.sessions, { type: "repeatPeerSessions" });
      load(context, deps);
      return emptyState(context.self);
    },
    receive(context, state, command) {
      switch (command.type) {
        case "startRun":
          return onStartRun(context, state, deps, command);
        case "joinRun":
          return onJoinRun(context, state, deps, command);
        case "leaveRun":
          return onLeaveRun(context, state, deps, command);
        case "stopRun":
          return onStopRun(context, state, deps, command);
        case "listRuns":
          return context.send(command.replyTo, summaries(state));
        case "getBudget":
          return context.send(command.replyTo, budgetOf(state));
        case "setBudget":
          return onSetBudget(context, state, deps, command);
        case "fetchVector":
          return onFetchVector(context, state, deps, command);
        case "fetchEnded":
          return onFetchEnded(state, command.fetch);
        case "peerMessage":
          return onPeerMessage(context, state, deps, command);
        case "loaded":
          onLoaded(context, state, deps, command.outcome);
          if (!command.outcome.ok) context.startTimer("load", RELOAD_MS, { type: "loadDue" });
          return;
        case "loadDue":
          return load(context, deps);
        case "companyDue":
          return onCompanyDue(context, state, deps, command.run);
        case "membershipChanged":
          onMembershipChanged(context, state, deps, command.event);
          return takeEnds(context, state, deps);
        case "seatsDue":
          return onSeatsDue(context, state, deps);
        case "blocksCommitted":
          return onBlocksCommitted(context, state, deps, command.event);
        case "bodyRead":
          return onBodyRead(context, state, command);
        case "partsDue":
          return onPartsDue(context, state, deps);
        case "sessionChanged":
          return onSessionChanged(context, state, deps, command.event);
        case "published":
          return onPublished(context, state, deps, command);
        case "saved":
          return onSaved(context, state, deps, command);
        case "runReport": {
          const run = state.runs.get(command.report.run);
          if (run !== undefined) run.report = command.report;
          return;
        }
        case "charge":
          return onCharge(context, state, deps, command.charge);
        case "publishResult":
          return onPublishResult(context, state, deps, command);
        case "resultInvalid": {
          const run = state.runs.get(command.run);
          return run && dropResult(run, command.block);
        }
        case "runAdvanced": {
          const run = state.runs.get(command.run);
          if (run === undefined) return;
          run.round = command.round;
          makeRoom(context, state, deps, run);
          forgetSecrets(context, state, deps, run.run, run.round);
          tellMembership(context, state, deps, [command.run]);
          if (command.round >= run.plan.rounds) {
            context.publish(nodeEvents, {
              type: "runChanged",
              run: command.run,
              state: "finished",
            });
          }
          return;
        }
        case "roundFaults":
          return onRoundFaults(context, state, deps, command);
        case "roundMeasured": {
          const { run, metrics } = command;
          const spent = state.runs.get(run)?.plan.privacy == null ? null : budgetOf(state).runs
            .find((one) => one.run === run)?.epsilon ?? 0;
          const kept = { ...metrics, epsilon: spent };
          context.publish(nodeEvents, { type: "roundFinished", run, metrics: kept });
          return context.perform(
            () => deps.store.settings.set({ [metricsSetting(run, metrics.round)]: kept }),
            (outcome) => ({ type: "saved", request: 0, outcome }),
          );
        }
        default:
          command satisfies never;
      }
    },
  };
}

/** Vectors of old versions go. Nothing waits for it; what a failing disk keeps is looked at again after the next start. */
function makeRoom(
  context: RoundsContext,
  state: RoundsState,
  { vectors, store }: RoundsDependencies,
  run: KnownRun,
): void {
  const { round, roomUpTo: from } = run;
  run.roomUpTo = Math.max(from, round - ROUNDS_KEPT + 1);
  const { settings } = store;
  const inUse = () => vectorsInUse(state.runs.values(), { except: run.run, settings });
  context.perform(
    () => removeOldVectors(run, { round, from, inUse, vectors, settings }),
    (outcome) => ({ type: "saved", request: 0, outcome }),
  );
}

function load(context: RoundsContext, deps: RoundsDependencies): void {
  context.perform(() => loadRuns(deps.store), (outcome) => ({ type: "loaded", outcome }));
}
