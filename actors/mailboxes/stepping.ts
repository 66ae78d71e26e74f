/** Starts steps and does, once they are durable, what they found to be done. */
import { errorText } from "../../platform/error_text.ts";
import { StoreError } from "../../store/store.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { ParcelId } from "../../protocols/mailbox/parcel.ts";
import { nodeEvents } from "../events.ts";
import type { Outcome, Refusal } from "../handle.ts";
import type { TaskOutcome } from "../kernel/actor.ts";
import type { MailboxesCommand } from "./commands.ts";
import { pump, sendIds, sendTo } from "./delivering.ts";
import { type Job, runStep } from "./jobs.ts";
import { publishKeys } from "./keys.ts";
import { retryMs } from "./limits.ts";
import {
  addCarried,
  addOutgoing,
  type MailboxesDependencies,
  type MailboxesState,
  type MailContext,
  removeCarried,
  removeOutgoing,
} from "./state.ts";
import type { StepFacts } from "./step.ts";

/** Jobs in one step, at most: one commit for all of them. */
const JOBS_AT_ONCE = 64;
/** Parcels deposited in one step, at most, but for the last deposit: a step must not keep users waiting. */
const PARCELS_AT_ONCE = 128;
/** How long jobs wait for others, so that a commit does for several: until nothing more has come for `pauseMs`, and no longer than `longestMs`. */
interface Patience {
  readonly pauseMs: number;
  readonly longestMs: number;
}
/** When nobody waits for them. */
const NOBODY_WAITS: Patience = { pauseMs: 15, longestMs: 15 };
/**
 * While many messages come. Whoever writes alone never waits; of a crowd, the first to come would have a commit of its own while all others
 * wait for its disk (PostgreSQL's `commit_delay` and `commit_siblings`).
 */
const IN_A_CROWD: Patience = { pauseMs: 5, longestMs: 20 };
/** Messages in a step that make a crowd. */
const CROWD_MIN = 4;
/** What is left of a crowd after a step without it: one of 32 is forgotten after ten. Receipts make steps of their own in between. */
const CROWD_KEPT = 0.85;
const DISK_RETRY_MS = 200;
const DISK_RETRY_MAX_MS = 30_000;
/** Warnings of one kind about one device are told to people at most this often, ms. */
const WARN_EVERY_MS = 60_000;

/** Adds a job; it is worked off when those before it are, or, as the `first`, before them. False: too many wait already. */
export function addJob(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  job: Job,
  options: { readonly first?: boolean } = {},
): boolean {
  if (state.jobs.length >= deps.limits.jobsMax) return false;
  if (options.first) state.jobs.unshift(job);
  else state.jobs.push(job);
  state.busy = true;
  startStep(context, state, deps);
  return true;
}

/** Starts the next step unless one is under way or nothing is to be done. */
export function startStep(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
): void {
  if (state.phase !== "open" || !state.membershipTold) return;
  if (state.running !== null || state.jobs.length === 0) return;
  if (state.diskFailures > 0 && !state.diskRetried) return;
  if (waitsForOthers(context, state)) return;
  state.diskRetried = false;
  const jobs = state.jobs.splice(0, state.soloJobs > 0 ? 1 : jobsOfStep(state.jobs));
  state.soloJobs = Math.max(0, state.soloJobs - 1);
  state.running = jobs;
  // More than a step takes are not waited for.
  const crowd = Math.max(messagesIn(jobs), Math.floor(state.crowd * CROWD_KEPT));
  state.crowd = Math.min(crowd, PARCELS_AT_ONCE);
  const view = {
    nowMs: context.wallMs(),
    random: context.random.fork(`step ${++state.steps}`),
    registry: state.registry,
    keys: new Map(state.keys),
    outgoing: { parcels: state.outgoing.size, bytes: state.outgoingBytes },
    carried: { bytes: state.carriedBytes },
  };
  const stepDeps = { ...deps, mail: deps.store.mail };
  context.perform(
    () => runStep(stepDeps, view, jobs),
    (outcome): MailboxesCommand => ({ type: "stepDone", outcome }),
  );
}

/** How many of the jobs, from the first, are one step. */
function jobsOfStep(jobs: readonly Job[]): number {
  let parcels = 0;
  let count = 0;
  for (const job of jobs) {
    if (count >= JOBS_AT_ONCE || parcels >= PARCELS_AT_ONCE) break;
    if (job.type === "deposit") parcels += job.deposit.parcels.length;
    count++;
  }
  return count;
}

/** True while jobs gain by being done with others that are about to come. */
function waitsForOthers(context: MailContext, state: MailboxesState): boolean {
  const patience = state.patience === "over" ? undefined : patienceOf(state);
  const nowMs = context.monotonicMs();
  const sinceMs = typeof state.patience === "string" ? nowMs : state.patience.sinceMs;
  const leftMs = patience === undefined ? 0 : sinceMs + patience.longestMs - nowMs;
  if (patience === undefined || leftMs <= 0) {
    context.cancelTimer("patience");
    state.patience = "none";
    return false;
  }
  context.startTimer("patience", Math.min(patience.pauseMs, leftMs), { type: "patienceOver" });
  state.patience = { sinceMs };
  return true;
}

/**
 * How long the jobs that wait may go on waiting. That peers have taken parcels of ours is only noted: it waits for whatever comes next, mostly
 * their receipts. Messages wait for as many as the steps before had.
 */
function patienceOf({ jobs, soloJobs, crowd, outgoing }: MailboxesState): Patience | undefined {
  if (soloJobs > 0 || jobs.length >= JOBS_AT_ONCE) return undefined;
  const isNoted = (job: Job) => job.type === "taken" && job.ids.every((id) => outgoing.has(id));
  if (jobs.every(isNoted)) return NOBODY_WAITS;
  const canWait = jobs.every(({ type }) =>
    type === "send" || type === "deposit" || type === "taken"
  );
  return canWait && crowd >= CROWD_MIN && messagesIn(jobs) < crowd ? IN_A_CROWD : undefined;
}

/** Messages and parcels that jobs bring. */
function messagesIn(jobs: readonly Job[]): number {
  return jobs.reduce((sum, job) => {
    if (job.type === "deposit") return sum + job.deposit.parcels.length;
    return job.type === "send" ? sum + 1 : sum;
  }, 0);
}

/** The step is durable, or has failed and changed nothing. */
export function onStepDone(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  outcome: TaskOutcome<StepFacts>,
): void {
  const jobs = state.running ?? [];
  state.running = null;
  if (outcome.ok) {
    state.diskFailures = 0;
    carryOut(context, state, deps, outcome.value);
    for (const job of jobs) settleDeposit(state, job);
  } else onStepFailed(context, state, jobs, outcome.error);
  startStep(context, state, deps);
}

function onStepFailed(
  context: MailContext,
  state: MailboxesState,
  jobs: readonly Job[],
  error: unknown,
): void {
  const message = errorText(error);
  context.log.write("warning", "Cannot work off mail", { jobs: jobs.length, error: message });
  if (error instanceof StoreError) {
    // Users and peers are told or ask again; what is ours to do is done when the disk is back.
    for (const job of jobs) {
      if (!fail(context, job, "unavailable", message)) state.jobs.unshift(job);
      settleDeposit(state, job);
    }
    const waitMs = retryMs(DISK_RETRY_MS, state.diskFailures++, DISK_RETRY_MAX_MS);
    return context.startTimer("step", waitMs, { type: "stepDue" });
  }
  if (jobs.length > 1) {
    // One of them cannot be done; the others must not suffer.
    state.jobs.unshift(...jobs);
    state.soloJobs = jobs.length;
    return;
  }
  const [job] = jobs;
  if (job === undefined) return;
  fail(context, job, "unavailable", message);
  settleDeposit(state, job);
  context.publish(nodeEvents, {
    type: "warning",
    source: "mailboxes",
    message: `Cannot do a piece of work on mail (${job.type}): ${message}`,
  });
}

/** True when whoever asked for a job hears of its failure, or asks again by itself. */
function fail(context: MailContext, job: Job, reason: Refusal["reason"], why: string): boolean {
  switch (job.type) {
    case "send":
    case "markRead":
    case "change": {
      const outcome: Refusal = { type: "refused", reason, message: `Cannot work on mail: ${why}` };
      context.send<Outcome<never>>(job.replyTo, outcome);
      return true;
    }
    case "deposit":
    case "discard":
      return true;
    default:
      return false;
  }
}

function settleDeposit(state: MailboxesState, job: Job): void {
  if (job.type !== "deposit") return;
  const depositor = state.depositors.get(job.deposit.deposit);
  state.depositors.delete(job.deposit.deposit);
  if (depositor?.type !== "peer") return;
  const peer = state.peers.get(depositor.deviceId);
  if (peer === undefined) return;
  peer.jobs--;
  peer.jobBytes -= job.deposit.parcels.reduce((sum, parcel) => sum + parcel.length, 0);
}

function carryOut(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  facts: StepFacts,
): void {
  const nowMs = context.monotonicMs();
  for (const id of facts.settled) settle(context, state, deps, id);
  const toPump = new Set<DeviceId>();
  const settled = new Set(facts.settled);
  for (const parcel of facts.queued) {
    if (settled.has(parcel.id)) continue;
    addOutgoing(state, parcel, nowMs);
    toPump.add(parcel.recipient);
  }
  // What was dropped may have come again in the same step.
  for (const id of facts.dropped) removeCarried(state, id);
  for (const parcel of facts.carried) {
    addCarried(state, parcel);
    toPump.add(parcel.recipient);
  }
  answerDeposits(context, state, deps, facts);
  for (const { to, outcome } of facts.answers) context.send(to, outcome as Outcome<never>);
  for (const event of facts.events) context.publish(nodeEvents, event);
  for (const { device, reason } of facts.strikes) {
    context.send(deps.sessions, { type: "strike", deviceId: device, reason });
  }
  warn(context, state, facts);
  for (const device of toPump) pump(context, state, deps, device);
  if (facts.keysUsed) {
    state.keysStale = true;
    publishKeys(context, state, deps);
  }
}

/** An own parcel is done: whoever keeps a copy may forget it. */
function settle(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  id: ParcelId,
): void {
  const entry = removeOutgoing(state, id);
  for (const [carrier, copy] of entry?.copies ?? []) {
    if (carrier === "broker" || copy === "refused" || !state.peers.get(carrier)?.up) continue;
    sendIds(context, deps, carrier, { type: "discard", ids: [id] });
  }
}

function answerDeposits(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  facts: StepFacts,
): void {
  for (const deposit of facts.malformed) {
    const depositor = state.depositors.get(deposit);
    // Else it would come again for ever.
    if (depositor?.type === "broker") depositor.kept.reject("malformed");
  }
  const taken = new Map<DeviceId, ParcelId[]>();
  for (const { deposit, id } of facts.taken) {
    const depositor = state.depositors.get(deposit);
    if (depositor?.type === "broker") depositor.kept.acknowledge();
    if (depositor?.type !== "peer") continue;
    taken.getOrInsertComputed(depositor.deviceId, () => []).push(id);
  }
  for (const [to, ids] of taken) sendIds(context, deps, to, { type: "taken", ids });
  for (const { deposit, id, reason } of facts.refused) {
    const depositor = state.depositors.get(deposit);
    if (depositor?.type === "broker") {
      // What may be taken later stays where it is.
      if (reason !== "quota" && reason !== "full") depositor.kept.reject(reason);
    } else if (depositor !== undefined) {
      sendTo(context, deps, depositor.deviceId, { type: "refused", id, reason });
    }
  }
}

function warn(context: MailContext, state: MailboxesState, facts: StepFacts): void {
  const nowMs = context.monotonicMs();
  for (const { about, reason, detail } of facts.warnings) {
    const kind = `${about} ${reason}`;
    const before = state.warned.get(kind);
    const isNew = before === undefined || nowMs - before >= WARN_EVERY_MS;
    // A flood must not fill the log: within a minute the first of a kind stands for all.
    const level = isNew ? "warning" : "debug";
    context.log.write(level, "mail refused", { audit: true, about, reason, detail });
    if (!isNew) continue;
    if (state.warned.size >= 1_000) state.warned.clear();
    state.warned.set(kind, nowMs);
    const who = about === null ? "" : ` from ${about}`;
    const message = `Mail${who} was not used (${reason}): ${detail}`;
    context.publish(nodeEvents, { type: "warning", source: "mailboxes", message });
  }
}
