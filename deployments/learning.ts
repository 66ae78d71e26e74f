/** What a node needs to learn: workers that train, a folder for large vectors, and this device's own data as examples. */
import { join } from "node:path";
import type { NodeDependencies } from "../actors/node.ts";
import type { ExampleSource, TaskBlock, TaskReading } from "../learning/task.ts";
import { TASKS } from "../learning/tasks/tasks.ts";
import { nodeMaskStream } from "../platform/mask_stream.ts";
import type { Crypto } from "../platform/ports.ts";
import { systemRandom } from "../platform/system_random.ts";
import { WorkerMaskWork } from "../platform/worker_mask_work.ts";
import { WorkerPaillierWork } from "../platform/worker_paillier.ts";
import { WorkerTrainer } from "../platform/worker_trainer.ts";
import type { Block } from "../protocols/blocks/block.ts";
import { POINTS_MAX } from "../store/readings.ts";
import type { Store } from "../store/store.ts";
import { openVectorFiles } from "../store/vector_files.ts";
import type { Config } from "./config.ts";

/** Largest file a task reads whole, bytes. */
const FILE_BYTES_MAX = 512 * 1024 * 1024;
const PAGE = 500;

/** Opens everything of learning; its workers start with the first job. */
export async function openLearning(
  { config, store, crypto }: {
    readonly config: Pick<Config, "dataDirectory">;
    readonly store: Store;
    readonly crypto: Crypto;
  },
): Promise<NodeDependencies["learning"]> {
  return {
    masks: nodeMaskStream(),
    maskWork: new WorkerMaskWork(),
    paillier: new WorkerPaillierWork(),
    vectors: await openVectorFiles(join(config.dataDirectory, "models"), {
      crypto,
      random: systemRandom(),
    }),
    tasks: TASKS,
    trainer: new WorkerTrainer(),
    source: exampleSource({ directory: learningDataDirectory(config), store }),
  };
}

/** Where data sets of tasks lie: `learning/<task>/` in the data folder. */
export function learningDataDirectory(config: Pick<Config, "dataDirectory">): string {
  return join(config.dataDirectory, "learning");
}

/** This device's data as tasks read it. */
export function exampleSource(
  { directory, store }: { readonly directory: string; readonly store: Store },
): ExampleSource {
  return {
    async readFile(name) {
      // Tasks name files of their own folder; a name is no way out of it.
      if (!/^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/.test(name)) {
        return undefined;
      }
      const path = join(directory, name);
      try {
        const { size } = await Deno.stat(path);
        if (size > FILE_BYTES_MAX) {
          throw new RangeError(
            `Cannot read "${path}": it has ${size} bytes, expected at most ${FILE_BYTES_MAX}`,
          );
        }
        return await Deno.readFile(path);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
    },
    async *blocks({ wanted = () => true, limit }) {
      const found: Block[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.blocks.list({
          kinds: ["put", "supersede"],
          currentOnly: true,
          limit: PAGE,
          ...(cursor !== undefined && { cursor }),
        });
        for (const block of page.blocks) {
          if (block.payload !== null && wanted(block.header)) found.push(block);
        }
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined && found.length < limit);
      for (const block of found.slice(0, limit).reverse()) yield taskBlock(block);
    },
    async series() {
      const summaries = await store.readings.summaries();
      return summaries.map(({ sensor, metric }) => `${sensor}/${metric}`);
    },
    async readings(series, limit) {
      const at = series.lastIndexOf("/");
      const [sensor, metric] = [series.slice(0, at), series.slice(at + 1)];
      // The store gives the earliest of a stretch; the newest are at the end of all of them.
      let newest: readonly TaskReading[] = [];
      for (let fromMs = 0;;) {
        const points = await store.readings.series({
          sensor,
          metric,
          fromMs,
          toMs: Number.MAX_SAFE_INTEGER,
          bucketMs: 0,
          limit: POINTS_MAX,
        });
        const page = points.map(({ atMs, value }) => ({ timeMs: atMs, value }));
        newest = [...newest, ...page].slice(-limit);
        const last = page.at(-1);
        if (last === undefined || page.length < POINTS_MAX) return newest;
        fromMs = last.timeMs + 1;
      }
    },
  };
}

function taskBlock({ id, header, payload }: Block): TaskBlock {
  const { author, topic, tags, mediaType, timeMs } = header;
  return { id, author, topic, tags, mediaType, timeMs, body: payload! };
}
