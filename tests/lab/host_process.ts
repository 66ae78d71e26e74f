/** A program that runs on a host of the lab: its output is kept and can be waited for. */
import { stretched } from "../busy_machine.ts";

/** Characters of output that are kept at most; more ends the test with an error. */
const OUTPUT_MAX = 64_000_000;

/** Which signal ends it how. */
export type Signal = "SIGTERM" | "SIGKILL" | "SIGINT";

export class HostProcess {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  readonly #waiting = new Set<() => void>();
  #ended = false;
  readonly #lines: string[] = [];
  /** The line that has no end yet. */
  #line = "";
  #stderr = "";

  constructor(command: readonly string[], env: Record<string, string>) {
    const [program = "", ...args] = command;
    this.#child = new Deno.Command(program, {
      args,
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#reading = Promise.all([
      this.#read(this.#child.stdout, (text) => this.#addOutput(text)),
      this.#read(this.#child.stderr, (text) => this.#stderr += text),
      this.#child.status,
    ]).then(() => {
      this.#ended = true;
      this.#wake();
    });
  }

  get pid(): number {
    return this.#child.pid;
  }
  /** Standard output so far. */
  get stdout(): string {
    return [...this.#lines, this.#line].join("\n");
  }
  /** Standard error so far. */
  get stderr(): string {
    return this.#stderr;
  }
  /** Complete lines of standard output so far; the array grows with what comes. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Sends a signal; harmless when it has ended. */
  kill(signal: Signal = "SIGTERM"): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended.
    }
  }

  /** Waits for its end. */
  async status(): Promise<Deno.CommandStatus> {
    await this.#reading;
    return await this.#child.status;
  }

  /** Kills it and waits for its end. */
  async end(): Promise<void> {
    this.kill("SIGKILL");
    await this.#reading;
  }

  /**
   * Waits until `found` gives a value for the lines so far.
   *
   * @throws after `timeoutMs`, longer on a busy machine, or when the program ended without it; the message holds what was printed
   */
  async waitFor<T>(
    found: (lines: readonly string[]) => T | undefined,
    timeoutMs: number,
  ): Promise<T> {
    const startedMs = performance.now();
    while (true) {
      const value = found(this.lines);
      if (value !== undefined) return value;
      const leftMs = stretched(timeoutMs) - (performance.now() - startedMs);
      if (leftMs <= 0 || this.#ended) {
        const why = this.#ended ? "it ended" : `nothing within ${timeoutMs} ms`;
        throw new Error(`Waited in vain: ${why}. Output:\n${this.stdout}\n${this.#stderr}`);
      }
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          this.#waiting.delete(done);
          resolve();
        };
        const timer = setTimeout(done, leftMs);
        this.#waiting.add(done);
      });
    }
  }

  async #read(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    let total = 0;
    for await (
      const text of stream.pipeThrough(
        new TextDecoderStream() as TransformStream<Uint8Array, string>,
      )
    ) {
      total += text.length;
      if (total > OUTPUT_MAX) this.kill("SIGKILL");
      else add(text);
      this.#wake();
    }
  }

  #addOutput(text: string): void {
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop() ?? "";
    this.#lines.push(...lines);
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
