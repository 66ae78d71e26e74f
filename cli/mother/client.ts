/** A node that keeps backups, over HTTP. What fails for a while is tried again; what is refused is not. */
import { errorText } from "../../platform/error_text.ts";
import type { Clock } from "../../platform/ports.ts";
import type { ContentHash } from "../../protocols/ids.ts";
import type { BackupVersion, KeptBackups } from "../../store/backup_vault.ts";
import type { Json } from "../../gateway/schema_identity.ts";
import { type CallOptions, GatewayHttp, type Target } from "../client_http.ts";
import { CliError } from "../exit_codes.ts";
import type { Texts } from "../texts.ts";
import { sleep } from "../wait.ts";

/** One after another, seconds; then the error stands. */
const PAUSES_S = [1, 2, 4, 8, 15, 30, 60];
const PIECE_TIMEOUT_MS = 5 * 60_000;
const BYTES = "application/octet-stream";
/** What another try may mend. */
const PASSING = new Set(["notRunning", "timedOut", "rateLimited", "busy", "unavailable", "cutOff"]);

export interface KeptAnswer {
  /** The name the token stands for; null for the owner's. */
  readonly device: string | null;
  readonly devices: readonly Json<KeptBackups>[];
}

/** Talks to the keeper of backups. */
export class MotherClient {
  readonly #http: GatewayHttp;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #onRetry: (problem: string, seconds: number) => void;

  constructor(
    { target, texts, clock, signal, onRetry }: {
      readonly target: Target;
      readonly texts: Texts;
      readonly clock: Clock;
      readonly signal: AbortSignal;
      readonly onRetry: (problem: string, seconds: number) => void;
    },
  ) {
    this.#http = new GatewayHttp(target, texts);
    this.#clock = clock;
    this.#signal = signal;
    this.#onRetry = onRetry;
  }

  /** Not tried again: a wrong address is said at once. */
  all(): Promise<KeptAnswer> {
    return this.#http.json("/v1/backups");
  }

  kept(device: string): Promise<Json<KeptBackups>> {
    return this.#again(() => this.#http.json(pathOf(device)));
  }

  async missing(
    device: string,
    pieces: readonly ContentHash[],
  ): Promise<readonly ContentHash[]> {
    const options: CallOptions = { method: "POST", json: { pieces }, signal: this.#signal };
    const answer = await this.#again(() =>
      this.#http.json<{ missing: readonly ContentHash[] }>(`${pathOf(device)}/missing`, options)
    );
    return answer.missing;
  }

  async putPiece(
    device: string,
    name: ContentHash,
    sealed: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    await this.#again(() =>
      this.#http.json(`${pathOf(device)}/pieces/${name}`, this.#upload("PUT", sealed))
    );
  }

  piece(device: string, name: ContentHash): Promise<Uint8Array<ArrayBuffer>> {
    return this.#bytes(`${pathOf(device)}/pieces/${name}`);
  }

  commit(device: string, encoded: Uint8Array<ArrayBuffer>): Promise<Json<BackupVersion>> {
    return this.#again(() =>
      this.#http.json(`${pathOf(device)}/versions`, this.#upload("POST", encoded))
    );
  }

  version(device: string, version: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.#bytes(`${pathOf(device)}/versions/${version}`);
  }

  #upload(method: "PUT" | "POST", body: Uint8Array<ArrayBuffer>): CallOptions {
    const headers = { "Content-Type": BYTES };
    return { method, body, headers, timeoutMs: PIECE_TIMEOUT_MS, signal: this.#signal };
  }

  #bytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
    return this.#again(async () => {
      const response = await this.#http.call(path, {
        timeoutMs: PIECE_TIMEOUT_MS,
        accept: BYTES,
        signal: this.#signal,
      });
      return await response.bytes();
    });
  }

  async #again<T>(call: () => Promise<T>): Promise<T> {
    for (const seconds of PAUSES_S) {
      try {
        return await call();
      } catch (error) {
        if (this.#signal.aborted || !isPassing(error)) throw error;
        this.#onRetry(errorText(error), seconds);
        await sleep(this.#clock, seconds * 1_000, this.#signal);
      }
    }
    return await call();
  }
}

function pathOf(device: string): string {
  return `/v1/backups/${encodeURIComponent(device)}`;
}

/** An answer that broke off is no `CliError`: it comes from reading the body. */
function isPassing(error: unknown): boolean {
  return !(error instanceof CliError) || PASSING.has(error.code);
}
