/** The learning of a node in memory: runs that stand still, two versions of each, and the real rules of planning. */
import type { Outcome } from "../../actors/handle.ts";
import type { LearningHandle, ModelView, RunView } from "../../actors/learning_handle.ts";
import { findByPrefix } from "../../actors/learning_views.ts";
import { planRun } from "../../learning/runs/new_run.ts";
import { mnistTask } from "../../learning/tasks/mnist.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";
import { done, refused } from "./fake_outcomes.ts";

const crypto = nodeCrypto({ workersMax: 0 });
const START_MS = 1_795_000_000_000;
const MEASURED = { accuracy: 0.91, loss: 0.3, measured: { top3Accuracy: 0.97 } };

/** Learning of one device among `members`. */
export function fakeLearning(self: DeviceId, members: readonly DeviceId[]): LearningHandle {
  const runs = new Map<BlockId, RunView>();
  const models = new Map<ContentHash, ModelView>();
  const keys = new Map<string, BlockId>();
  let epsilonLifetimeMax = 10;

  const sha = (text: string) => crypto.sha256Hex(new TextEncoder().encode(text));
  function find<T>(what: string, prefix: string, all: Iterable<readonly [string, T]>): Outcome<T> {
    const found = findByPrefix(what, prefix, all);
    return "found" in found
      ? { type: "done", value: found.found }
      : { type: "refused", reason: found.reason, message: found.problem };
  }
  function change(prefix: string, change: Partial<RunView>): Promise<Outcome<RunView>> {
    const found = find("run", prefix, runs);
    if (found.type === "refused") return Promise.resolve(found);
    const run = { ...found.value, ...change };
    runs.set(run.run, run);
    return done(run);
  }
  function model(run: RunView, round: number): ModelView {
    const version = sha(`${run.run} ${round}`) as ContentHash;
    const made: ModelView = {
      version,
      block: round === 0 ? null : sha(`block ${version}`) as BlockId,
      parent: round === 0 ? null : sha(`${run.run} ${round - 1}`) as ContentHash,
      run: run.run,
      task: run.task,
      round,
      createdAtMs: START_MS + round,
      coordinator: self,
      participants: round === 0 ? 0 : 2,
      bytes: 796_840,
      here: true,
      current: round === 1,
      verified: "unchecked",
      metrics: round === 0 ? { accuracy: null, loss: null } : MEASURED,
    };
    models.set(version, made);
    return made;
  }
  const metrics = {
    round: 1,
    atMs: START_MS + 1,
    durationMs: 1_000,
    coordinator: self,
    called: 2,
    ready: 2,
    counted: 2,
    dropped: 0,
    refused: 0,
    ...MEASURED,
    trainingLoss: 0.4,
    updateBytes: 796_840,
    parameterBytes: 796_840,
    epsilon: null,
  };

  return {
    tasks: () =>
      Promise.resolve([{
        task: "mnist",
        title: mnistTask.title,
        description: mnistTask.description,
        parameters: 199_210,
        available: false,
        reason: "no pictures are here",
        trainingExamples: 0,
        testExamples: 0,
      }]),
    start(wish) {
      const known = wish.idempotencyKey === undefined ? undefined : keys.get(wish.idempotencyKey);
      if (known !== undefined) return done(runs.get(known)!);
      const planned = planRun(wish, {
        tasks: [mnistTask],
        crypto,
        members,
        seed: new Uint8Array(32).fill(runs.size),
      });
      if (planned.type === "impossible") {
        return refused("invalid", planned.message);
      }
      const { plan } = planned.opened;
      const run: RunView = {
        run: sha(`run ${runs.size}`) as BlockId,
        title: plan.title,
        task: plan.task,
        startedBy: self,
        startedAtMs: START_MS,
        state: "running",
        joined: true,
        round: 1,
        rounds: plan.rounds,
        phase: "training",
        coordinator: self,
        term: 0,
        devices: 2,
        waitingFor: null,
        plan,
        version: sha(`${sha(`run ${runs.size}`)} 1`) as ContentHash,
        metrics,
        epsilonSpent: null,
      };
      runs.set(run.run, run);
      model(run, 0);
      model(run, 1);
      if (wish.idempotencyKey !== undefined) keys.set(wish.idempotencyKey, run.run);
      return done(run);
    },
    join: (run) => change(run, { joined: true, state: "running" }),
    leave: (run) => change(run, { joined: false, state: "open" }),
    stop: (run) => change(run, { joined: false, state: "stopped" }),
    runs: () => Promise.resolve([...runs.values()].reverse()),
    run: (run) => change(run, {}),
    rounds(run) {
      const found = find("run", run, runs);
      return found.type === "refused" ? Promise.resolve(found) : done([metrics]);
    },
    models(run) {
      const all = [...models.values()].reverse();
      if (run === undefined) return done(all);
      const found = find("run", run, runs);
      if (found.type === "refused") return Promise.resolve(found);
      return done(all.filter((one) => one.run === found.value.run));
    },
    model: (version) => Promise.resolve(find("version", version, models)),
    compare(a, b) {
      const [first, second] = [find("version", a, models), find("version", b, models)];
      if (first.type === "refused") return Promise.resolve(first);
      if (second.type === "refused") return Promise.resolve(second);
      return done({
        a: first.value.version,
        b: second.value.version,
        l2: 1.5,
        cosine: 0.9,
        layers: [{ name: "dense1/weights", l2: 1.5, relative: 0.1 }],
        metrics: { a: first.value.metrics, b: second.value.metrics },
      });
    },
    rollBack(version) {
      const found = find("version", version, models);
      if (found.type === "refused") return Promise.resolve(found);
      for (const [hash, one] of models) {
        if (one.task !== found.value.task) continue;
        models.set(hash, { ...one, current: hash === found.value.version });
      }
      return done(models.get(found.value.version)!);
    },
    verify(version) {
      const found = find("version", version, models);
      if (found.type === "refused") return Promise.resolve(found);
      return done({
        version: found.value.version,
        valid: true,
        checks: [{ check: "signatures", ok: true, detail: "2 signed" }],
        durationMs: 3,
      });
    },
    export(version, format) {
      const found = find("version", version, models);
      if (found.type === "refused") return Promise.resolve(found);
      return done(new TextEncoder().encode(`a model as ${format}`));
    },
    budget: () => Promise.resolve({ epsilonLifetimeMax, delta: 1e-5, epsilonSpent: 0.5, runs: [] }),
    setBudget(epsilon) {
      if (epsilon < 0.5) return refused("invalid", "0.5 is spent already");
      epsilonLifetimeMax = epsilon;
      return done({ epsilonLifetimeMax, delta: 1e-5, epsilonSpent: 0.5, runs: [] });
    },
  };
}
