/**
 * What an experiment leaves on disk: a log with one JSON line per round for people and plots, and the state after the last round, from which it goes on with
 * the same bits. The state also holds the last line, so that a crash between the two writes loses nothing.
 */
import { join } from "node:path";
import { readSafetensors, writeSafetensors } from "../../learning/models/safetensors.ts";
import { layoutOf } from "../../learning/parameters.ts";
import type { FederationState } from "../../learning/simulate/federation.ts";
import { errorText } from "../../platform/error_text.ts";
import { type FileLock, lockFile } from "../../platform/file_lock.ts";

/** One round in the log. */
export interface RoundRecord {
  readonly round: number;
  /** On the test set, after the round. */
  readonly accuracy: number;
  readonly loss: number;
  readonly trainingLoss: number;
  /** Time the round took, evaluation included, ms. */
  readonly elapsedMs: number;
}

/** Where an experiment was left. */
export interface Left {
  readonly records: readonly RoundRecord[];
  /** Null before the first round. */
  readonly state: FederationState | null;
}

/** Files that cannot be kept or continued; the message says what to do. */
export class ExperimentError extends Error {
  override readonly name = "ExperimentError";
}

/** The files of one experiment; `settings` are all that fixes its result. */
export class ExperimentStore {
  readonly #log: string;
  readonly #state: string;
  readonly #lock: string;
  readonly #settings: string;

  /** @throws {ExperimentError} when the folder cannot be made */
  constructor(folder: string, name: string, settings: Readonly<Record<string, unknown>>) {
    try {
      Deno.mkdirSync(folder, { recursive: true });
    } catch (cause) {
      throw new ExperimentError(
        `Cannot keep results in ${folder}: ${errorText(cause)}; choose another --results`,
        { cause },
      );
    }
    this.#log = join(folder, `${name}.jsonl`);
    this.#state = join(folder, `${name}.state`);
    this.#lock = join(folder, `${name}.lock`);
    this.#settings = JSON.stringify(settings);
  }

  get logPath(): string {
    return this.#log;
  }

  /**
   * Makes sure that nobody else writes these files until it is released; a crash releases it.
   * @throws {ExperimentError} when another run has them
   */
  async lock(): Promise<FileLock> {
    const outcome = await lockFile(this.#lock);
    if (outcome.type === "locked") return outcome.lock;
    throw new ExperimentError(
      `Cannot write ${this.#log}: it is being run by process ${outcome.pid}; wait for its end, or choose another --results`,
    );
  }

  /**
   * What is there.
   * @throws {ExperimentError} when the files are damaged, or of an experiment with other settings
   */
  load(): Left {
    const bytes = readIfThere(this.#state);
    if (bytes === undefined) return { records: [], state: null };
    const { layout, parameters, metadata } = this.#read(bytes);
    if (metadata["settings"] !== this.#settings) {
      throw new ExperimentError(
        `Cannot go on with ${this.#state}: it was made with ${
          metadata["settings"]
        }, now it is ${this.#settings}; move it away or choose another --results`,
      );
    }
    const last = JSON.parse(metadata["record"] ?? "") as RoundRecord;
    const [head, ...slots] = layout.tensors.map((_, i) =>
      parameters.slice(layout.offsets[i], layout.offsets[i + 1])
    );
    const lines = (readIfThere(this.#log) ?? new Uint8Array()) as Uint8Array;
    const records = recordsOf(new TextDecoder().decode(lines), last.round);
    if (records.at(-1)?.round !== last.round) records.push(last);
    if (records.length !== last.round) {
      throw new ExperimentError(
        `Cannot go on with ${this.#log}: it lacks rounds before ${last.round}`,
      );
    }
    this.#rewrite(records);
    const step = Number(metadata["step"]);
    return {
      records,
      state: { round: last.round, parameters: head!, optimiser: { step, slots } },
    };
  }

  #read(bytes: Uint8Array): ReturnType<typeof readSafetensors> {
    try {
      return readSafetensors(bytes);
    } catch (cause) {
      throw new ExperimentError(
        `Cannot go on with ${this.#state}: ${
          errorText(cause)
        }; move it away or choose another --results`,
        { cause },
      );
    }
  }

  /** Keeps a round: durable state first, then the line. */
  save(state: FederationState, record: RoundRecord): void {
    const vectors = [state.parameters, ...state.optimiser.slots];
    const layout = layoutOf(
      vectors.map((vector, i) => ({ name: `vector${i}`, shape: [vector.length] })),
    );
    const all = new Float32Array(layout.count);
    vectors.forEach((vector, i) => all.set(vector, layout.offsets[i]!));
    const bytes = writeSafetensors(all, layout, {
      settings: this.#settings,
      record: JSON.stringify(record),
      step: String(state.optimiser.step),
    });
    // A rename is all or nothing: a crash leaves the state of this round or of the one before.
    const beside = `${this.#state}.new`;
    Deno.writeFileSync(beside, bytes);
    Deno.renameSync(beside, this.#state);
    if (record.round === 1) this.#rewrite([record]);
    else Deno.writeTextFileSync(this.#log, `${JSON.stringify(record)}\n`, { append: true });
  }

  #rewrite(records: readonly RoundRecord[]): void {
    const lines = [JSON.stringify({ settings: JSON.parse(this.#settings) })].concat(
      records.map((record) => JSON.stringify(record)),
    );
    Deno.writeTextFileSync(this.#log, `${lines.join("\n")}\n`);
  }
}

/** Complete lines up to `last`; a line that a crash cut off is none. */
function recordsOf(text: string, last: number): RoundRecord[] {
  const records: RoundRecord[] = [];
  for (const line of text.split("\n").slice(1)) {
    try {
      const record = JSON.parse(line) as RoundRecord;
      if (record.round === records.length + 1 && record.round <= last) records.push(record);
    } catch {
      // The end of the file, or half a line.
    }
  }
  return records;
}

function readIfThere(path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
