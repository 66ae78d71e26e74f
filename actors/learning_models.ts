/** Versions of models on this device: which there are, which one is current, and what can be done with one. */
import { firstModel, type OpenedPlan, openPlan } from "../learning/runs/opened_plan.ts";
import { compareModels } from "../learning/models/compare.ts";
import { writeOnnx } from "../learning/models/onnx.ts";
import { writeSafetensors } from "../learning/models/safetensors.ts";
import { verifyModel } from "../learning/models/verify_model.ts";
import {
  isSameLayout,
  type ParameterLayout,
  type Parameters,
  parametersFromBytes,
  parametersHash,
} from "../learning/parameters.ts";
import type { LearningTask } from "../learning/task.ts";
import type { Crypto, MaskStream } from "../platform/ports.ts";
import type { BlockId, ContentHash, DeviceId } from "../protocols/ids.ts";
import type { Registry } from "../protocols/registry/registry.ts";
import type { Outcome, Refusal } from "./handle.ts";
import type { ModelComparison, ModelView, RoundMetrics, Verification } from "./learning_handle.ts";
import { chainOf, findByPrefix, isGrid, lastOfGrid, metricsOfResult } from "./learning_views.ts";
import { bytesOf, type KnownVersion, roundOf } from "./known_version.ts";
import { checksOf, gridChecks } from "./model_checks.ts";
import { materialOf, type MaterialOptions } from "./model_material.ts";
import { notHere } from "./model_refusals.ts";
import { refused } from "./outcomes.ts";
import type { RunSummary } from "./rounds/commands.ts";
import { figuresOf, metricsSetting } from "./rounds/reporting.ts";
import { keptSetting, verifiedSetting } from "./rounds/old_vectors.ts";
import { countedIn, wholeResults } from "./rounds/results_in_mind.ts";

/** Setting: the version of a task that a person has gone back to. */
const CURRENT_PREFIX = "learning/current/";
/** Versions of one run in a list; older ones are found by their hash. */
const VERSIONS_MAX = 1_000;

export interface ModelsOfNodeOptions extends Omit<MaterialOptions, "parametersOf"> {
  readonly tasks: readonly LearningTask[];
  readonly crypto: Crypto;
  readonly masks: MaskStream;
  readonly registry: () => Promise<Registry | null>;
  readonly summaries: () => Promise<readonly RunSummary[]>;
}

/** What the handle offers of models. */
export function modelsOfNode(options: ModelsOfNodeOptions) {
  const { settings, vectors, crypto } = options;
  const plans = new Map<BlockId, OpenedPlan>();
  const firsts = new Map<BlockId, ContentHash>();

  /** Throws a `RangeError` for plans that this version of the program cannot carry out. */
  function opened({ run, plan }: RunSummary): OpenedPlan {
    const known = plans.get(run) ?? openPlan(plan, options);
    plans.set(run, known);
    return known;
  }

  function firstVersion(summary: RunSummary): ContentHash {
    const { run, plan } = summary;
    if (plan.startFrom !== null) return plan.startFrom;
    const known = firsts.get(run) ?? hashOf(firstModel(opened(summary)).parameters);
    firsts.set(run, known);
    return known;
  }

  const hashOf = (parameters: Parameters) => parametersHash(parameters, crypto);

  /** Newest first; none of a run whose plan cannot be opened here. */
  function versionsOf(summary: RunSummary): readonly KnownVersion[] {
    let plan: OpenedPlan;
    try {
      plan = opened(summary);
    } catch {
      return [];
    }
    const known = { summary, opened: plan, committed: null, ownRound: null };
    const results = (isGrid(summary) ? lastOfGrid(summary) : chainOf(summary)).map((committed) => (
      { ...known, version: committed.result.result, committed }
    ));
    const { parameters: own = null, round: ownRound = 0 } = summary.report ?? {};
    const isNews = isGrid(summary) && own !== null && ownRound > 0 &&
      results.every(({ version }) => version !== own);
    return [
      { ...known, version: firstVersion(summary) },
      ...results,
      ...(isNews ? [{ ...known, version: own, ownRound }] : []),
    ].reverse();
  }

  async function find(prefix: string): Promise<KnownVersion | Refusal> {
    const all = (await options.summaries()).flatMap(versionsOf);
    const found = findByPrefix("version", prefix, all.map((one) => [one.version, one] as const));
    return "found" in found
      ? found.found
      : refused(found.reason, `Cannot find it: ${found.problem}`);
  }

  /** Null when they are not here (any more). Where a run began can be made again. */
  async function parametersOf(
    { opened, committed, ownRound, version, summary }: KnownVersion,
  ): Promise<Parameters | null> {
    if (committed === null && ownRound === null && summary.plan.startFrom === null) {
      return firstModel(opened).parameters;
    }
    const bytes = await vectors.get(version);
    const parameters = bytes && parametersFromBytes(bytes);
    return parameters?.length === opened.layout.count ? parameters : null;
  }

  /** Newest by when its last version came. */
  function newestOf(task: string, summaries: readonly RunSummary[]): ContentHash | null {
    const last = summaries.filter(({ plan }) => plan.task === task)
      .flatMap((summary) => chainOf(summary).at(-1) ?? [])
      .toSorted((a, b) => b.atMs - a.atMs || (a.block < b.block ? -1 : 1))[0];
    return last?.result.result ?? null;
  }

  async function metricsOf(known: KnownVersion): Promise<ModelView["metrics"]> {
    const { summary, version } = known;
    const round = roundOf(known);
    const isMeasuredElsewhere = isGrid(summary) && version !== summary.report?.parameters;
    if (round === 0 || isMeasuredElsewhere) return figuresOf(null);
    const kept = await settings.get(metricsSetting(summary.run, round)) as RoundMetrics | undefined;
    return figuresOf(kept ?? null);
  }

  async function views(versions: readonly KnownVersion[]): Promise<readonly ModelView[]> {
    const summaries = await options.summaries();
    const here = new Set((await vectors.list()).map(({ hash }) => hash));
    const current = new Map<string, ContentHash | null>();
    for (const { summary: { plan } } of versions) {
      if (current.has(plan.task)) continue;
      const chosen = await settings.get(`${CURRENT_PREFIX}${plan.task}`);
      const isThere = typeof chosen === "string";
      current.set(plan.task, isThere ? chosen as ContentHash : newestOf(plan.task, summaries));
    }
    return await Promise.all(versions.map(async (one): Promise<ModelView> => {
      const { summary, opened, version, committed } = one;
      const { plan } = summary;
      const checked = committed && await settings.get(verifiedSetting(committed.block));
      return {
        version,
        block: committed?.block ?? null,
        parent: committed?.result.parent ?? null,
        run: summary.run,
        task: plan.task,
        round: roundOf(one),
        createdAtMs: committed?.atMs ?? summary.startedAtMs,
        coordinator: committed?.author ?? summary.startedBy,
        participants: committed === null ? 0 : countedIn(committed),
        bytes: 4 * opened.layout.count,
        here: here.has(version) || (roundOf(one) === 0 && plan.startFrom === null),
        current: current.get(plan.task) === version,
        verified: checked === true ? "valid" : checked === false ? "invalid" : "unchecked",
        metrics: await metricsOf(one),
      };
    }));
  }

  async function viewOf(version: KnownVersion): Promise<ModelView> {
    return (await views([version]))[0]!;
  }

  return {
    opened,

    /** The newest version whose parameters are here; null when none is. */
    async newestHere(summary: RunSummary): Promise<ContentHash | null> {
      for (const { result } of chainOf(summary).toReversed().slice(0, 10)) {
        if (await vectors.has(result.result)) return result.result;
      }
      const first = versionsOf(summary).at(-1);
      return first !== undefined && await parametersOf(first) !== null ? first.version : null;
    },

    /** Oldest first: what was measured here, and what the results of the others say. */
    async rounds(summary: RunSummary): Promise<readonly RoundMetrics[]> {
      const measured = await settings.entries(metricsSetting(summary.run, 0).slice(0, -6));
      const byRound = new Map(measured.map(([, value]) => {
        const metrics = value as RoundMetrics;
        return [metrics.round, metrics] as const;
      }));
      if (isGrid(summary)) return [...byRound.values()].sort((a, b) => a.round - b.round);
      const bytes = bytesOf(summary, opened);
      return chainOf(summary).map((one) =>
        byRound.get(one.result.round) ?? metricsOfResult(one, bytes)
      );
    },

    async list(runs: readonly RunSummary[]): Promise<readonly ModelView[]> {
      return await views(runs.flatMap((one) => {
        const versions = versionsOf(one);
        return versions.length <= VERSIONS_MAX
          ? versions
          : [...versions.slice(0, VERSIONS_MAX - 1), versions.at(-1)!];
      }));
    },

    async model(prefix: string): Promise<Outcome<ModelView>> {
      const found = await find(prefix);
      return isRefusal(found) ? found : { type: "done", value: await viewOf(found) };
    },

    /** The whole name of a version whose parameters are here, and which numbers it has. */
    async versionHere(
      prefix: string,
    ): Promise<Outcome<{ readonly version: ContentHash; readonly layout: ParameterLayout }>> {
      const found = await find(prefix);
      if (isRefusal(found)) return found;
      return await parametersOf(found) === null
        ? notHere(found.version)
        : { type: "done", value: { version: found.version, layout: found.opened.layout } };
    },

    async compare(a: string, b: string): Promise<Outcome<ModelComparison>> {
      const [first, second] = [await find(a), await find(b)];
      if (isRefusal(first)) return first;
      if (isRefusal(second)) return second;
      const [before, after] = [await parametersOf(first), await parametersOf(second)];
      if (before === null) return notHere(first.version);
      if (after === null) return notHere(second.version);
      const { layout } = first.opened;
      if (!isSameLayout(layout, second.opened.layout)) {
        return refused("invalid", "Cannot compare them: they are of different networks");
      }
      const none = { metrics: {} };
      const found = compareModels(
        { parameters: before, ...none },
        { parameters: after, ...none },
        layout,
      );
      return {
        type: "done",
        value: {
          a: first.version,
          b: second.version,
          l2: found.distance,
          cosine: found.cosine,
          layers: found.tensors.map(({ name, distance, normBefore }) => ({
            name,
            l2: distance,
            // A layer that was zero has moved by all that it is.
            relative: distance === 0 ? 0 : normBefore === 0 ? 1 : distance / normBefore,
          })),
          metrics: { a: await metricsOf(first), b: await metricsOf(second) },
        },
      };
    },

    async rollBack(prefix: string): Promise<Outcome<ModelView>> {
      const found = await find(prefix);
      if (isRefusal(found)) return found;
      if (await parametersOf(found) === null) return notHere(found.version);
      const { task } = found.summary.plan;
      const isNewest = newestOf(task, await options.summaries()) === found.version;
      await settings.set({
        // Back to the newest is no longer a choice: later versions become current again.
        [`${CURRENT_PREFIX}${task}`]: isNewest ? undefined : found.version,
        [keptSetting(found.version)]: true,
      });
      return { type: "done", value: await viewOf(found) };
    },

    async verify(prefix: string): Promise<Outcome<Verification>> {
      const startedMs = options.clock.monotonicMs();
      const found = await find(prefix);
      if (isRefusal(found)) return found;
      const { version, opened, summary, committed, ownRound } = found;
      const registry = await options.registry();
      const isMember = (device: DeviceId) => registry?.members.has(device) === true;
      const done = (checks: Verification["checks"]): Outcome<Verification> => ({
        type: "done",
        value: {
          version,
          valid: checks.every(({ ok }) => ok),
          checks,
          durationMs: Math.round(options.clock.monotonicMs() - startedMs),
        },
      });
      if (ownRound !== null) {
        return refused("invalid", `Cannot verify ${version}: nobody has published it yet`);
      }
      if (committed === null) {
        if (summary.plan.startFrom !== null) {
          return refused("invalid", `Cannot verify ${version}: it is where another run ended`);
        }
        const ok = hashOf(firstModel(opened).parameters) === version;
        return done([{ check: "seed", ok, detail: "the plan's seed makes these parameters" }]);
      }
      if (isGrid(summary)) {
        const checks = await gridChecks(committed, opened, { isMember, deps: options });
        await settings.set({ [verifiedSetting(committed.block)]: checks.every(({ ok }) => ok) });
        return done(checks);
      }
      if (committed.counted !== undefined) {
        return refused(
          "unavailable",
          `Cannot verify round ${committed.result.round}: of results that are so old this device keeps no signatures in mind; verify a newer version`,
        );
      }
      const material = await materialOf({ ...found, committed }, { ...options, parametersOf });
      if (material.type === "refused") return material;
      if (material.type === "unsigned") {
        await settings.set({ [verifiedSetting(committed.block)]: false });
        return done([{ check: "signatures", ok: false, detail: material.problem }]);
      }
      const { result } = committed;
      const held = { ...material.value, submissionOf: () => undefined };
      const verification = await verifyModel(result, held, {
        opened,
        expected: { run: summary.run, round: result.round },
        known: wholeResults(summary.results).map((one) => one.result),
        // Whoever was a member then; somebody may have been revoked since.
        isParticipant: isMember,
        own: null,
        deps: options,
      });
      const checks = checksOf(verification, committed);
      await settings.set({ [verifiedSetting(committed.block)]: verification.ok });
      return done(checks);
    },

    async export(
      prefix: string,
      format: "safetensors" | "onnx",
    ): Promise<Outcome<Uint8Array<ArrayBuffer>>> {
      const found = await find(prefix);
      if (isRefusal(found)) return found;
      const parameters = await parametersOf(found);
      const { version, opened, summary } = found;
      if (parameters === null) return notHere(version);
      const metadata = {
        version,
        run: summary.run,
        round: String(roundOf(found)),
        task: summary.plan.task,
        title: summary.plan.title,
      };
      const value = format === "onnx"
        ? writeOnnx(opened.network, parameters, metadata)
        : writeSafetensors(parameters, opened.layout, metadata);
      return { type: "done", value };
    },
  };
}

function isRefusal(value: KnownVersion | Refusal): value is Refusal {
  return "type" in value;
}
