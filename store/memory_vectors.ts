/** Vectors in memory, for tests and the simulator. A disk is what outlives a crash there. */
import type { Scratch } from "../platform/ports.ts";
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
    scratch: () => Promise.resolve(memoryScratch()),
    list: () => Promise.resolve([...disk].map(([hash, bytes]) => ({ hash, bytes: bytes.length }))),
  };
}

/** Pages, so that what is written far behind costs no memory in between. */
const PAGE_BYTES = 64 * 1024;

/** A scratch that is memory, too. */
export function memoryScratch(): Scratch {
  const pages = new Map<number, Uint8Array>();
  const inPages = (
    at: number,
    length: number,
    visit: (page: number, from: number, to: number, done: number) => void,
  ) => {
    for (let done = 0; done < length;) {
      const from = (at + done) % PAGE_BYTES;
      const size = Math.min(PAGE_BYTES - from, length - done);
      visit(Math.floor((at + done) / PAGE_BYTES), from, from + size, done);
      done += size;
    }
  };
  return {
    write(at, bytes) {
      inPages(at, bytes.length, (page, from, to, done) => {
        let known = pages.get(page);
        if (known === undefined) pages.set(page, known = new Uint8Array(PAGE_BYTES));
        known.set(bytes.subarray(done, done + to - from), from);
      });
      return Promise.resolve();
    },
    read(at, into) {
      inPages(at, into.length, (page, from, to, done) => {
        const known = pages.get(page);
        if (known === undefined) into.fill(0, done, done + to - from);
        else into.set(known.subarray(from, to), done);
      });
      return Promise.resolve();
    },
    close() {
      pages.clear();
      return Promise.resolve();
    },
  };
}
