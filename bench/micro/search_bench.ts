/**
 * Question: how long does a person wait for a full-text search? Notes of 120 words drawn by Zipf's law from 20,000 made-up
 * words (fixed seed), searched with words of every rarity, phrases, prefixes, exclusions and topics.
 */
import { seededRandom } from "../../platform/seeded_random.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { openSqliteStore } from "../../store/sqlite_store.ts";
import type { Figure } from "../harness.ts";
import { makeBlocks } from "./store_bench.ts";

const VOCABULARY = 20_000;
const WORDS_PER_NOTE = 120;
const TOPICS = 20;
const QUERIES = 400;
/** The most frequent words, which nobody searches for. */
const COMMON_WORDS = 20;
/** What we promise at 100,000 notes, ms. */
const P95_MS_MAX = 10;

/** Milliseconds per search, by percentile, and notes indexed per second. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const count = quick ? 2_000 : 100_000;
  const random = seededRandom("search bench");
  const wordAt = zipf();
  const note = () => Array.from({ length: WORDS_PER_NOTE }, () => wordAt(random.float())).join(" ");
  const texts: string[] = [];
  const utf8 = new TextEncoder();
  const directory = await Deno.makeTempDir({ prefix: "submind_bench_" });
  try {
    const store = await openSqliteStore({ directory, crypto: nodeCrypto() });
    const blocks = makeBlocks(count, {
      bodyOf: () => {
        const text = note();
        texts.push(text);
        return utf8.encode(text);
      },
      topicOf: (i) => `topic/${i % TOPICS}`,
    });
    let indexMs = 0;
    for (let from = 0; from < count; from += 500) {
      const batch = blocks.slice(from, from + 500);
      await store.blocks.put(batch);
      const start = performance.now();
      await store.search.index(
        batch.map(({ id }, i) => ({
          blockId: id,
          title: texts[from + i]!.slice(0, 40),
          text: texts[from + i]!,
        })),
      );
      indexMs += performance.now() - start;
    }
    const common = new Set(Array.from({ length: COMMON_WORDS }, (_, rank) => wordOfRank(rank)));
    const times: number[] = [];
    let found = 0;
    for (let i = 0; i < QUERIES; i++) {
      // Words of a note that somebody remembers, but none of the few that every note has ("the", "and").
      const words = texts[random.below(count)]!.split(" ").filter((word) => !common.has(word));
      const pick = () => words[random.below(words.length)]!;
      const at = random.below(words.length - 1);
      const text = [
        () => pick(),
        () => `${pick()} ${pick()}`,
        () => `"${words[at]} ${words[at + 1]}"`,
        () => `${pick()} -${pick()}`,
        () => `${pick().slice(0, 4)}*`,
      ][i % 5]!();
      const topic = i % 3 === 0 ? { topic: `topic/${random.below(TOPICS)}` } : {};
      const start = performance.now();
      const page = await store.search.search({ text, limit: 20, offset: 0, ...topic });
      times.push(performance.now() - start);
      found += page.total;
    }
    await store.close();
    times.sort((a, b) => a - b);
    const at = (share: number) => times[Math.floor(share * times.length)]!;
    const size = `${count} notes`;
    return [
      { name: `search p50, ${size}`, value: at(0.5), unit: "ms", note: `${found} hits in all` },
      {
        name: `search p95, ${size}`,
        value: at(0.95),
        unit: "ms",
        ...(quick ? {} : { limit: P95_MS_MAX }),
      },
      { name: `search slowest, ${size}`, value: times.at(-1)!, unit: "ms" },
      { name: `indexing, ${size}`, value: Math.round(count / indexMs * 1000), unit: "notes/s" },
    ];
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Word of rank r with probability ∝ 1/(r + 2.7) (Zipf–Mandelbrot); the argument is uniform in [0, 1). */
function zipf(): (uniform: number) => string {
  const cumulative: number[] = [];
  let sum = 0;
  for (let rank = 0; rank < VOCABULARY; rank++) cumulative.push(sum += 1 / (rank + 2.7));
  return (uniform) => {
    const wanted = uniform * sum;
    let [low, high] = [0, VOCABULARY - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return wordOfRank(low);
  };
}

const SYLLABLES = ["ba", "ko", "mi", "ru", "te", "sa", "lo", "ni", "ve", "du", "pa", "gi"];

function wordOfRank(rank: number): string {
  let word = "";
  for (let rest = rank + 150; rest > 0; rest = Math.floor(rest / 12)) word += SYLLABLES[rest % 12];
  return word;
}
