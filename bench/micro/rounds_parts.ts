/** What the devices of a round in one process are given in place of training, disk and registry. */
import type { Topic } from "../../actors/kernel/actor.ts";
import type { Dataset, Trainer } from "../../learning/trainer.ts";
import type { DeviceId, MeshId } from "../../protocols/ids.ts";
import type { Member, Registry } from "../../protocols/registry/registry.ts";
import { memoryScratch } from "../../store/memory_vectors.ts";
import type { VectorStore } from "../../store/vectors.ts";

const ALLOWED = new Set(["learn.join", "learn.coordinate"]);

/** A mesh in which all may coordinate. */
export function registryOf(ids: readonly DeviceId[]): Registry {
  const members = ids.map((deviceId) =>
    [deviceId, { deviceId, revoked: false, permissions: ALLOWED } as unknown as Member] as const
  );
  return { mesh: "" as MeshId, founder: ids[0]!, members: new Map(members), heads: [] };
}

/** What has been learned is the same for all but for its length. */
export function fixedTrainer(index: number): Trainer {
  const factor = 1e-3 * (1 + 0.05 * Math.sin(index));
  return {
    train({ parameters }) {
      const trained = parameters.slice();
      for (let i = 0; i < trained.length; i++) trained[i] = trained[i]! + factor * ((i % 7) - 3);
      return Promise.resolve({ parameters: trained, loss: 1, examples: 1 } as never);
    },
    evaluate: () => Promise.reject(new Error("the bench measures no model")),
    close() {},
  };
}

/** Some have a few more than others. */
export function examples(index: number): Dataset {
  return {
    exampleLength: 1,
    count: 20 + index % 5,
    inputs: new Uint8Array(20 + index % 5),
    labels: new Uint8Array(20 + index % 5),
  };
}

/** Keeps the vectors of one device, as long as it lives. */
export function vectorsInMemory(): VectorStore {
  const kept = new Map<string, Uint8Array<ArrayBuffer>>();
  return {
    put: (hash, bytes) => Promise.resolve(void kept.set(hash, bytes.slice())),
    get: (hash) => Promise.resolve(kept.get(hash)),
    has: (hash) => Promise.resolve(kept.has(hash)),
    remove: (hash) => Promise.resolve(void kept.delete(hash)),
    scratch: () => Promise.resolve(memoryScratch()),
    list: () => Promise.resolve([]),
  };
}

/** Nothing outlives the round. */
export function forgetfulSettings() {
  return {
    get: () => Promise.resolve(undefined),
    set: () => Promise.resolve(),
    entries: () => Promise.resolve([]),
  };
}

/** What the actor of a run asks of its context and gets no answer to. */
export const NOTHING_ELSE = {
  wallMs: () => 0,
  monotonicMs: () => performance.now(),
  publish<Event>(_topic: Topic<Event>, _event: Event) {},
  subscribe() {},
  cancelTimer() {},
  spawn(): never {
    throw new Error("the actor of a run is not expected to need this");
  },
  stopChild() {},
  stopSelf() {},
  watch() {},
};
