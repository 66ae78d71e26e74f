/**
 * Versions of a model: each is named by the hash of what it is, and says which one it came from. Publishing them as signed blocks is the rounds'
 * part; here is what a version says, what its name is, and how versions hang together.
 */
import { encodeCanonical } from "../../protocols/codec.ts";
import type { Crypto } from "../../platform/ports.ts";
import type { Network } from "../network.ts";
import { parameterBytes, type Parameters } from "../parameters.ts";

/** SHA-256 over the canonical form of a version, 64 lower-case hex digits. */
export type ModelId = string & { readonly __brand: "ModelId" };

/** SHA-256 of `parameterBytes`, 64 lower-case hex digits. */
export type ParametersHash = string & { readonly __brand: "ParametersHash" };

/** Most numbers measured per version. */
export const METRICS_MAX = 32;
const METRIC_NAME = /^[a-z][A-Za-z0-9]{0,39}$/;
const HASH = /^[0-9a-f]{64}$/;

/** One version of one run's model. */
export interface ModelVersion {
  /** The run's id: the id of the block with its plan. */
  readonly run: string;
  /** 0 for where the run began; a roll back counts as a round. */
  readonly round: number;
  /** The version before; null for round 0. */
  readonly parent: ModelId | null;
  /** The older version whose parameters these are again, when this one is a roll back; else null. */
  readonly restores: ModelId | null;
  readonly network: Network;
  readonly parameters: ParametersHash;
  /** Devices whose updates are in it; 0 for round 0 and for a roll back. */
  readonly participants: number;
  /** What was measured: "accuracy", "loss", "epsilon"; finite numbers, at most 32. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** What names parameters: SHA-256 of their little-endian bytes. */
export function parametersHash(
  parameters: Parameters,
  crypto: Pick<Crypto, "sha256Hex">,
): ParametersHash {
  return crypto.sha256Hex(parameterBytes(parameters)) as ParametersHash;
}

/** Why this is no version; undefined when it is one. For what comes from outside. */
export function problemOfVersion(version: ModelVersion): string | undefined {
  const { run, round, parent, restores, parameters, participants, metrics } = version;
  if (!HASH.test(run)) return `run is "${run}", expected 64 hex digits`;
  if (!Number.isSafeInteger(round) || round < 0) {
    return `round is ${round}, expected an integer >= 0`;
  }
  if ((parent === null) !== (round === 0)) {
    return `round ${round} has ${parent === null ? "no" : "a"} parent: only round 0 has none`;
  }
  for (const [name, id] of Object.entries({ parent, restores, parameters })) {
    if (id !== null && !HASH.test(id)) return `${name} is "${id}", expected 64 hex digits`;
  }
  if (!Number.isSafeInteger(participants) || participants < 0) {
    return `participants is ${participants}, expected an integer >= 0`;
  }
  const measured = Object.entries(metrics);
  if (measured.length > METRICS_MAX) {
    return `there are ${measured.length} metrics, expected at most ${METRICS_MAX}`;
  }
  for (const [name, value] of measured) {
    if (!METRIC_NAME.test(name)) return `"${name}" is no name of a metric`;
    if (!Number.isFinite(value)) return `metric "${name}" is ${value}, expected a finite number`;
  }
  return undefined;
}

/** The version's canonical bytes: what its id is the hash of. Throws a `RangeError` for what is no version. */
export function versionBytes(version: ModelVersion): Uint8Array<ArrayBuffer> {
  const problem = problemOfVersion(version);
  if (problem !== undefined) throw new RangeError(`Cannot name a model version: ${problem}`);
  // Canonical CBOR has no fractions. The shortest decimal that reads back as the same double is the same text everywhere (ECMA-262, Number::toString).
  const metrics = Object.fromEntries(
    Object.entries(version.metrics).map(([name, value]) => [name, String(value)]),
  );
  return encodeCanonical({ type: "model version v1", ...version, metrics });
}

/** The version's name. Throws a `RangeError` for what is no version. */
export function modelId(version: ModelVersion, crypto: Pick<Crypto, "sha256Hex">): ModelId {
  return crypto.sha256Hex(versionBytes(version)) as ModelId;
}

/**
 * The version after `current` that has the parameters of `older` again. Nothing is taken back: what came between stays in the lineage. Metrics are
 * those of `older`, because they were measured with these parameters. Throws a `RangeError` when the two are not of one run and network.
 */
export function rollBack(
  current: { readonly id: ModelId; readonly version: ModelVersion },
  older: { readonly id: ModelId; readonly version: ModelVersion },
): ModelVersion {
  if (older.version.run !== current.version.run) {
    throw new RangeError(`Cannot roll back to ${older.id}: it is of another run`);
  }
  if (!equalNetworks(older.version.network, current.version.network)) {
    throw new RangeError(`Cannot roll back to ${older.id}: its network is another one`);
  }
  return {
    run: current.version.run,
    round: current.version.round + 1,
    parent: current.id,
    restores: older.id,
    network: current.version.network,
    parameters: older.version.parameters,
    participants: 0,
    metrics: older.version.metrics,
  };
}

/** True when both are the same layers on the same input with the same loss. */
export function equalNetworks(a: Network, b: Network): boolean {
  return canonicalText(a) === canonicalText(b);
}

function canonicalText(network: Network): string {
  return encodeCanonical(network).toHex();
}
