/** Vectors in memory, for tests and the simulator. A disk is what outlives a crash there. */
import type { ContentHash } from "../protocols/ids.ts";
import type { VectorStore } from "./vectors.ts";

/** Keeps vectors in `disk`; two stores on one map are one folder opened twice. */
export function memoryVectors(disk: Map<ContentHash, Uint8Array> = new Map()): VectorStore {
  return {
    put: (hash, bytes) => {
      disk.set(hash, bytes.slice());
      return Promise.resolve();
    },
    get: (hash) => Promise.resolve(disk.get(hash)?.slice()),
    has: (hash) => Promise.resolve(disk.has(hash)),
    remove: (hash) => {
      disk.delete(hash);
      return Promise.resolve();
    },
    list: () => Promise.resolve([...disk].map(([hash, bytes]) => ({ hash, bytes: bytes.length }))),
  };
}
