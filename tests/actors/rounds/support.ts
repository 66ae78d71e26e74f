/** What the actors of learning are given in tests: real cryptography and stores, peers that are the test. */
import assert from "node:assert/strict";
import { TestActor, testRef } from "../../../actors/kernel/testkit.ts";
import type { RoundsDependencies } from "../../../actors/rounds/rounds.ts";
import type { PublisherCommand } from "../../../actors/publisher/commands.ts";
import type { SessionsCommand } from "../../../actors/sessions/commands.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import type { OpenedPlan } from "../../../learning/runs/opened_plan.ts";
import { encodePlan, LEARNING_TOPIC, PLAN_MEDIA_TYPE } from "../../../learning/runs/plan_codec.ts";
import type { RunId } from "../../../learning/runs/plan.ts";
import { inlineMaskWork } from "../../../learning/secure/mask_work.ts";
import { nodeMaskStream } from "../../../platform/mask_stream.ts";
import { nodeCrypto, nodeSigner } from "../../../platform/node_crypto.ts";
import { simulatedPaillierWork } from "../../../simulation/simulated_paillier.ts";
import type { Block } from "../../../protocols/blocks/block.ts";
import { type DeviceId, deviceIdOf } from "../../../protocols/ids.ts";
import type { RoundsMessage } from "../../../protocols/rounds/messages.ts";
import { decodeRoundsMessage } from "../../../protocols/rounds/wire.ts";
import type { Registry } from "../../../protocols/registry/registry.ts";
import { MemoryDisk, openMemoryStore } from "../../../store/memory_store.ts";
import { memoryVectors } from "../../../store/memory_vectors.ts";
import { opened } from "../../learning/proof_support.ts";

export const run = "ab".repeat(32) as RunId;
export const sessions = testRef<SessionsCommand>("sessions");
export const signer = nodeSigner(new Uint8Array(32).fill(9));
export const self = deviceIdOf(signer.publicKey);
export const other = deviceIdOf(nodeSigner(new Uint8Array(32).fill(8)).publicKey);

/** A run with central noise. */
export function privatePlan(): OpenedPlan {
  return opened(softmaxRegression({ inputs: 2, classes: 2 }), {
    rounds: 50,
    privacy: {
      clip: 1,
      noiseMultiplier: 4,
      noise: "central",
      delta: 1e-5,
      dropout: 0,
      epsilonMax: 100,
    },
  });
}

/** What a device that knows this plan is given. */
export function dependencies(plan: OpenedPlan): RoundsDependencies {
  const [crypto, masks] = [nodeCrypto({ workersMax: 0 }), nodeMaskStream()];
  return {
    self,
    crypto,
    signer,
    masks,
    maskWork: inlineMaskWork({ crypto, masks }),
    paillier: simulatedPaillierWork(),
    store: openMemoryStore({ disk: new MemoryDisk() }),
    vectors: memoryVectors(),
    sessions,
    publisher: testRef<PublisherCommand>("publisher"),
    tasks: [plan.task],
    trainer: {
      train: () => Promise.reject(new Error("nobody trains in this test")),
      evaluate: () => Promise.reject(new Error("nobody measures in this test")),
      close: () => Promise.resolve(),
    },
    examplesOf: () => Promise.resolve({ unavailable: "none" }),
    epsilonMax: 100,
  };
}

/** The block of a plan as the store has it. */
export function planBlock({ plan }: OpenedPlan): Block {
  const payload = encodePlan(plan);
  return {
    id: run,
    header: {
      kind: "model",
      topic: LEARNING_TOPIC,
      mediaType: PLAN_MEDIA_TYPE,
      author: self,
      timeMs: 1,
      target: null,
      bodyBytes: payload.length,
    },
    payload,
  } as unknown as Block;
}

/** A mesh in which these devices may coordinate. */
export function registryOf(devices: readonly DeviceId[]): Registry {
  const permissions = new Set(["learn.join", "learn.coordinate"]);
  return {
    members: new Map(devices.map((deviceId) => [deviceId, {
      deviceId,
      revoked: false,
      permissions,
    }])),
  } as unknown as Registry;
}

/** What was said, to `to` or to anybody, as it is read. */
export function said(
  effects: Parameters<typeof TestActor.sentTo>[0],
  to?: DeviceId,
): readonly RoundsMessage[] {
  return TestActor.sentTo(effects, sessions).flatMap((command) => {
    if (command.type !== "sendToPeer" || (to !== undefined && command.to !== to)) return [];
    const decoded = decodeRoundsMessage(command.body);
    assert.ok(decoded.ok, "what is said can be read");
    return [decoded.message];
  });
}
