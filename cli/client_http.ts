/** Calls to one gateway: requests out, answers or `CliError` with the words of the node in. Knows no route. */
import { CliError, EXIT } from "./exit_codes.ts";
import { readLines } from "./client_events.ts";
import type { Texts } from "./texts.ts";

/** How long an ordinary call may take; verification and backup may take longer. */
const CALL_TIMEOUT_MS = 30_000;
export const LONG_CALL_TIMEOUT_MS = 30 * 60_000;

export type OnProgress = (done: number, total: number) => void;

export interface CallOptions {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly query?: Readonly<
    Record<string, string | number | boolean | readonly string[] | undefined>
  >;
  readonly json?: unknown;
  readonly body?: Uint8Array<ArrayBuffer>;
  /** Sent as multipart/form-data. */
  readonly form?: FormData;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly accept?: string;
}

/** Where a gateway is, how to be let in, and what a person can do when that does not work. */
export interface Target {
  /** Without a slash at the end. */
  readonly url: string;
  readonly token: string;
  /** PEM file to trust; empty for the system's own list. */
  readonly certificate: string;
  /** Path of a Unix socket that leads there; empty: directly. */
  readonly socket?: string;
  readonly unreachableHint: string;
  readonly unauthenticatedHint: string;
}

/** Talks to one gateway. */
export class GatewayHttp {
  readonly #target: Target;
  readonly #texts: Texts;
  readonly #http: Deno.HttpClient | undefined;

  constructor(target: Target, texts: Texts) {
    this.#target = target;
    this.#texts = texts;
    const { socket = "" } = target;
    this.#http = socket !== ""
      ? Deno.createHttpClient({ proxy: { transport: "unix", path: socket } })
      : target.certificate === ""
      ? undefined
      : Deno.createHttpClient({ caCerts: [Deno.readTextFileSync(target.certificate)] });
  }

  get gatewayUrl(): string {
    return this.#target.url;
  }

  /** Whether the gateway answers at all; needs no token. */
  async healthy(): Promise<boolean> {
    try {
      const response = await this.#fetch("/healthz", { timeoutMs: 2_000 });
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    }
  }

  /** The answer as JSON. */
  async json<T>(path: string, options: CallOptions = {}): Promise<T> {
    const response = await this.call(path, options);
    try {
      return await response.json() as T;
    } catch (error) {
      throw new CliError(this.#texts.client.notOurs(this.gatewayUrl), {
        code: "notRunning",
        exitCode: EXIT.notRunning,
        hint: this.#texts.client.notOursHint,
        cause: error,
      });
    }
  }

  /** The answer as it comes; refusals and lost connections are thrown as `CliError`. */
  async call(path: string, options: CallOptions): Promise<Response> {
    let response: Response;
    try {
      response = await this.#fetch(path, options);
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw this.#unreachable(error);
    }
    if (!response.ok) throw await this.#refusal(response);
    return response;
  }

  /** A task that reports progress as lines of JSON and ends with its result. */
  async long(
    path: string,
    options: CallOptions,
    onProgress: OnProgress,
  ): Promise<Readonly<Record<string, unknown>>> {
    const response = await this.call(path, {
      ...options,
      method: "POST",
      accept: "application/x-ndjson",
      timeoutMs: LONG_CALL_TIMEOUT_MS,
    });
    const lines = response.body === null ? [] : readLines(response.body);
    for await (const line of lines) {
      const value = JSON.parse(line) as Readonly<Record<string, unknown>>;
      if (value["type"] === "progress") onProgress(Number(value["done"]), Number(value["total"]));
      else if (value["type"] === "done") return value;
      else throw this.#failed(String(value["message"] ?? line));
    }
    throw this.#failed(this.#texts.client.cutOff);
  }

  #failed(message: string): CliError {
    return new CliError(message, { code: "failed", exitCode: EXIT.failed });
  }

  #fetch(path: string, options: CallOptions): Promise<Response> {
    const url = new URL(this.gatewayUrl + path);
    for (const [name, value] of Object.entries(options.query ?? {})) {
      for (const item of Array.isArray(value) ? value : [value]) {
        if (item !== undefined) url.searchParams.append(name, String(item));
      }
    }
    const timeoutMs = options.timeoutMs ?? CALL_TIMEOUT_MS;
    const signals = [
      ...(options.signal === undefined ? [] : [options.signal]),
      ...(timeoutMs === 0 ? [] : [AbortSignal.timeout(timeoutMs)]),
    ];
    const hasJson = options.json !== undefined;
    return fetch(url, {
      method: options.method ?? "GET",
      headers: {
        "Authorization": `Bearer ${this.#target.token}`,
        "Accept": options.accept ?? "application/json",
        ...(hasJson ? { "Content-Type": "application/json" } : {}),
        ...options.headers,
      },
      body: hasJson ? JSON.stringify(options.json) : options.form ?? options.body ?? null,
      redirect: "error",
      signal: AbortSignal.any(signals),
      ...(this.#http === undefined ? {} : { client: this.#http }),
    });
  }

  #unreachable(error: unknown): CliError {
    const timedOut = error instanceof DOMException && error.name === "TimeoutError";
    return new CliError(
      timedOut
        ? this.#texts.client.timedOut(this.gatewayUrl)
        : this.#texts.client.unreachable(this.gatewayUrl),
      {
        code: timedOut ? "timedOut" : "notRunning",
        exitCode: timedOut ? EXIT.failed : EXIT.notRunning,
        hint: this.#target.unreachableHint,
        cause: error,
      },
    );
  }

  async #refusal(response: Response): Promise<CliError> {
    const problem = await readProblem(response);
    const unauthenticated = response.status === 401;
    const { refusal, status } = this.#texts.client;
    return new CliError(problem.detail === "" ? status(response.status) : refusal(problem.detail), {
      code: problem.reason,
      exitCode: response.status >= 500 ? EXIT.failed : EXIT.refused,
      hint: unauthenticated
        ? this.#target.unauthenticatedHint
        : /No space left|disk is full/.test(problem.detail)
        ? this.#texts.doctor.diskFix
        : "",
    });
  }
}

/** What a problem document (RFC 9457) says; other answers give the bare status. */
async function readProblem(
  response: Response,
): Promise<{ readonly reason: string; readonly detail: string }> {
  const fallback = { reason: `http${response.status}`, detail: "" };
  try {
    const problem: unknown = await response.json();
    if (typeof problem !== "object" || problem === null) return fallback;
    const reason = "reason" in problem ? problem.reason : undefined;
    const detail = "detail" in problem ? problem.detail : undefined;
    return {
      reason: typeof reason === "string" ? reason : fallback.reason,
      detail: typeof detail === "string" ? detail : "",
    };
  } catch {
    return fallback;
  }
}
