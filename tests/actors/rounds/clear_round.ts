/** A round in the clear that our device coordinates, with devices that the test plays: the first of them is the liar. */
import assert from "node:assert/strict";
import { TestActor } from "../../../actors/kernel/testkit.ts";
import { submissionStatement } from "../../../learning/models/proof.ts";
import type { OpenedPlan } from "../../../learning/runs/opened_plan.ts";
import { decodeResult, type RoundResult } from "../../../learning/runs/result.ts";
import { searchWork } from "../../../learning/screening/proof_of_work.ts";
import { nodeCrypto, nodeSigner } from "../../../platform/node_crypto.ts";
import { type ContentHash, type DeviceId, deviceIdOf } from "../../../protocols/ids.ts";
import type { GradientSubmission } from "../../../protocols/rounds/messages.ts";
import {
  beginningOf,
  type Effects,
  openedRun,
  parent,
  peerOf,
  type RunActor,
} from "./run_actor.ts";
import { registryOf, run, said, self } from "./support.ts";

const crypto = nodeCrypto({ workersMax: 0 });

export interface Device {
  readonly id: DeviceId;
  readonly signer: ReturnType<typeof nodeSigner>;
  /** Its honest update. */
  readonly update: Uint8Array<ArrayBuffer>;
}

export interface Coordinator {
  readonly actor: RunActor;
  readonly key: Pick<GradientSubmission, "run" | "round" | "term" | "attempt">;
}

/** Everything of such a round; `updateFor` makes the honest update of a device. */
export function clearRound(
  plan: OpenedPlan,
  { others, updateFor }: {
    readonly others: number;
    readonly updateFor: (device: DeviceId, index: number) => Uint8Array<ArrayBuffer>;
  },
) {
  const { parameters } = beginningOf(plan);
  const devices: readonly Device[] = [8, 40, 41, 42, 43, 44, 45].slice(0, others).map((byte, i) => {
    const signer = nodeSigner(new Uint8Array(32).fill(byte));
    const id = deviceIdOf(signer.publicKey);
    return { id, signer, update: updateFor(id, i) };
  });
  const [liar, ...honest] = devices as [Device, ...Device[]];

  /** Our device calls the others for the first round of a run in the clear; it has nothing to learn from itself. */
  function call(untrusted: readonly DeviceId[] = []) {
    const registry = registryOf([self, ...devices.map(({ id }) => id)]);
    const actor = openedRun(plan, { registry, fresh: true });
    const peers = devices.map(({ id }) => peerOf(id, { trusted: !untrusted.includes(id) }));
    const effects = [
      ...actor.tell({ type: "peersChanged", peers, registry }),
      ...actor.advance(900),
    ];
    return { actor, effects };
  }

  /** All but our device are ready and train. */
  function training(): Coordinator {
    const { actor, effects } = call();
    const start = said(effects, liar.id).find(({ type }) => type === "roundStart");
    assert.ok(start?.type === "roundStart");
    const { round, term, attempt } = start;
    const key = { run, round, term, attempt };
    const refusal = { type: "decline", ...key, why: "noData", reason: "none" } as const;
    actor.tell({ type: "peerMessage", from: self, message: refusal });
    for (const { id } of devices) {
      const message = {
        type: "peerReady",
        ...key,
        modelHash: parameters,
        keys: new Uint8Array(0),
      } as const;
      actor.tell({ type: "peerMessage", from: id, message });
    }
    assert.equal(actor.state.lead?.phase, "training");
    return { actor, key };
  }

  /** A submission of these bytes with a proof of work and a signature that hold for what is `signed`, the attempt under way if nothing else is said. */
  function submissionOf(
    { key }: Coordinator,
    { signer }: Device,
    bytes: Uint8Array,
    change: { readonly signedRound?: number; readonly modelHash?: ContentHash } = {},
  ): GradientSubmission {
    const hash = crypto.sha256Hex(bytes) as ContentHash;
    const round = change.signedRound ?? key.round;
    const modelHash = change.modelHash ?? parameters;
    const search = searchWork(crypto, {
      run: Uint8Array.fromHex(run),
      round,
      device: signer.publicKey,
      submission: Uint8Array.fromHex(hash),
    }, { bits: plan.plan.proofOfWorkBits, from: 0, tries: 10_000 });
    assert.ok(search.type === "found");
    const statement = submissionStatement(
      { run, round, attempt: key.attempt, parent: modelHash },
      { commitment: hash, weight: 1 },
    );
    return {
      type: "gradientSubmission",
      ...key,
      update: { hash, bytes: bytes.length },
      modelHash,
      weight: 1,
      proofOfWork: search.nonce,
      signature: signer.sign(statement),
    };
  }

  function submit({ actor }: Coordinator, { id }: Device, message: GradientSubmission): Effects {
    return actor.tell({ type: "peerMessage", from: id, message });
  }

  /** The coordinator asks a device for its update and gets it. */
  function handIn(coordinator: Coordinator, device: Device, bytes: Uint8Array<ArrayBuffer>): void {
    const submission = submissionOf(coordinator, device, bytes);
    const [request] = said(submit(coordinator, device, submission), device.id);
    assert.ok(request?.type === "requestParts", JSON.stringify(request));
    give(coordinator, device, bytes);
  }

  function give({ actor }: Coordinator, { id }: Device, bytes: Uint8Array<ArrayBuffer>): void {
    const hash = crypto.sha256Hex(bytes) as ContentHash;
    const message = { type: "vectorPart", run, hash, index: 0, bytes } as const;
    actor.tell({ type: "peerMessage", from: id, message });
  }

  /** The others hand in; what the round comes to, and the faults that were found in it. */
  async function finish(coordinator: Coordinator) {
    const { actor } = coordinator;
    for (const device of honest) handIn(coordinator, device, device.update);
    assert.equal(actor.state.lead?.phase, "publishing");
    const effects = await actor.runTask(actor.pendingTasks().at(-1));
    const [published] = TestActor.sentTo(effects, parent).flatMap((one) =>
      one.type === "publishResult" ? [one] : []
    );
    assert.ok(published !== undefined, "a result is published");
    const decoded = decodeResult(published.body);
    assert.ok(decoded.ok);
    return { result: decoded.message, faults: actor.state.lead!.faults };
  }

  return { liar, honest, call, training, submissionOf, submit, handIn, give, finish };
}

export function countsOnly(
  result: RoundResult,
  expected: readonly Device[],
  refused: number,
): void {
  assert.deepEqual(
    result.submissions.map(({ device }) => device),
    expected.map(({ id }) => id).sort(),
  );
  assert.equal(result.counts.refused, refused);
}
