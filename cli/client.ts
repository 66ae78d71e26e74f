/**
 * The running node over HTTP, typed. One method per call of the API; refusals and lost connections become `CliError` with
 * the words of the node. Holds no state but the address and the token.
 */
import type {
  AddedBlock,
  BlockView,
  Interest,
  InviteOptions,
  InviteView,
  MemberView,
  NodeStatus,
  PairingView,
  PeerView,
} from "../actors/handle.ts";
import type { BlockDraft, BlockHeader } from "../protocols/blocks/block.ts";
import type { BlockId } from "../protocols/ids.ts";
import type { Damage, SearchPage } from "../store/store.ts";
import type { Json } from "../gateway/schema_identity.ts";
import type { NodeEvent } from "../actors/events.ts";
import { CliError, EXIT } from "./exit_codes.ts";
import type { NodeFile } from "./node_file.ts";
import { readEvents, readLines } from "./client_events.ts";
import type { Texts } from "./texts.ts";

/** A block in a list: its header and the beginning of a text. */
export interface BlockSummary {
  readonly id: BlockId;
  readonly header: BlockHeader;
  readonly hasPayload: boolean;
  readonly preview: string | null;
}

export interface BlockListQuery {
  readonly topic?: string | undefined;
  readonly author?: string | undefined;
  readonly tag?: string | undefined;
  readonly currentOnly?: boolean;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** A member's change: only the fields that are named. */
export type MemberChange = Partial<
  Pick<MemberView, "displayName" | "role" | "permissions" | "trust">
>;

/** How long an ordinary call may take; verification and backup may take longer. */
const CALL_TIMEOUT_MS = 30_000;
const LONG_CALL_TIMEOUT_MS = 30 * 60_000;

type OnProgress = (done: number, total: number) => void;

interface CallOptions {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly query?: Readonly<
    Record<string, string | number | boolean | readonly string[] | undefined>
  >;
  readonly json?: unknown;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly accept?: string;
}

/** Talks to one gateway. */
export class NodeClient {
  readonly #node: NodeFile;
  readonly #texts: Texts;
  readonly #http: Deno.HttpClient | undefined;

  constructor(node: NodeFile, texts: Texts) {
    this.#node = node;
    this.#texts = texts;
    this.#http = node.tlsCertificate === ""
      ? undefined
      : Deno.createHttpClient({ caCerts: [Deno.readTextFileSync(node.tlsCertificate)] });
  }

  /** Base address of the gateway, without a slash at the end. */
  get gatewayUrl(): string {
    return this.#node.gatewayUrl.replace(/\/+$/, "");
  }

  status(): Promise<NodeStatus> {
    return this.#json("/v1/status");
  }

  /** Publishes at most 100 drafts at once; a retry with the same key changes nothing. */
  async addBlocks(drafts: readonly BlockDraft[], key: string): Promise<readonly AddedBlock[]> {
    const blocks = drafts.map((draft) => ({
      kind: draft.kind,
      topic: draft.topic,
      tags: draft.tags,
      mediaType: draft.mediaType,
      ...(draft.target === undefined || draft.target === null ? {} : { target: draft.target }),
      ...(draft.kind === "tombstone" ? {} : { body: draft.body.toBase64() }),
    }));
    const answer = await this.#json<{ blocks: readonly AddedBlock[] }>("/v1/blocks", {
      method: "POST",
      json: { blocks },
      headers: { "Idempotency-Key": key },
      timeoutMs: LONG_CALL_TIMEOUT_MS,
    });
    return answer.blocks;
  }

  /** Publishes one large body as it is, without the third that base64 adds. */
  async addRaw(draft: BlockDraft, key: string): Promise<readonly AddedBlock[]> {
    const answer = await this.#json<{ blocks: readonly AddedBlock[] }>("/v1/blocks", {
      method: "POST",
      query: {
        kind: draft.kind,
        topic: draft.topic,
        tags: draft.tags,
        target: draft.target ?? undefined,
      },
      body: new Uint8Array(draft.body),
      headers: { "Content-Type": draft.mediaType, "Idempotency-Key": key },
      timeoutMs: LONG_CALL_TIMEOUT_MS,
    });
    return answer.blocks;
  }

  blocks(
    query: BlockListQuery,
  ): Promise<{ readonly blocks: readonly BlockSummary[]; readonly nextCursor: string | null }> {
    return this.#json("/v1/blocks", { query: { ...query } });
  }

  block(id: string): Promise<Json<BlockView>> {
    return this.#json(`/v1/blocks/${encodeURIComponent(id)}`);
  }

  /** The whole body as it arrives. */
  async body(id: string): Promise<ReadableStream<Uint8Array>> {
    const path = `/v1/blocks/${encodeURIComponent(id)}/body`;
    const response = await this.#call(path, { timeoutMs: LONG_CALL_TIMEOUT_MS, accept: "*/*" });
    return response.body ?? new ReadableStream({ start: (controller) => controller.close() });
  }

  search(
    query: { text: string; topic?: string | undefined; limit: number; offset: number },
  ): Promise<SearchPage> {
    return this.#json("/v1/search", { query });
  }

  async peers(): Promise<readonly PeerView[]> {
    return (await this.#json<{ peers: readonly PeerView[] }>("/v1/peers")).peers;
  }

  async addPeer(address: string): Promise<void> {
    await this.#call("/v1/peers", { method: "POST", json: { address } });
  }

  async members(): Promise<readonly MemberView[]> {
    return (await this.#json<{ members: readonly MemberView[] }>("/v1/members")).members;
  }

  updateMember(id: string, change: MemberChange): Promise<MemberView> {
    return this.#json(`/v1/members/${encodeURIComponent(id)}`, { method: "PATCH", json: change });
  }

  revokeMember(id: string): Promise<MemberView> {
    return this.#json(`/v1/members/${encodeURIComponent(id)}/revoke`, { method: "POST" });
  }

  createInvite(options: InviteOptions): Promise<InviteView> {
    return this.#json("/v1/invites", { method: "POST", json: options });
  }

  async invites(): Promise<readonly InviteView[]> {
    return (await this.#json<{ invites: readonly InviteView[] }>("/v1/invites")).invites;
  }

  async cancelInvite(id: string): Promise<void> {
    await this.#call(`/v1/invites/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  acceptInvite(linkOrCode: string): Promise<PairingView> {
    return this.#json("/v1/pairings", { method: "POST", json: { linkOrCode } });
  }

  async pairings(): Promise<readonly PairingView[]> {
    return (await this.#json<{ pairings: readonly PairingView[] }>("/v1/pairings")).pairings;
  }

  confirmPairing(id: string, wordsMatch: boolean): Promise<PairingView> {
    const path = `/v1/pairings/${encodeURIComponent(id)}/confirm`;
    return this.#json(path, { method: "POST", json: { wordsMatch } });
  }

  /** A link that logs a browser in once: its path below the gateway's address, and how long it holds, milliseconds. */
  createLogin(): Promise<{ readonly path: string; readonly validMs: number }> {
    return this.#json("/v1/login-codes", { method: "POST" });
  }

  async interest(): Promise<Interest | null> {
    return (await this.#json<{ interest: Interest | null }>("/v1/interest")).interest;
  }

  async setInterest(interest: Interest | null): Promise<Interest | null> {
    const answer = await this.#json<{ interest: Interest | null }>("/v1/interest", {
      method: "PUT",
      json: { interest },
    });
    return answer.interest;
  }

  /** Leaves a mesh of one; the node starts anew after its answer. */
  async leaveMesh(bring: boolean): Promise<void> {
    await this.#call("/v1/mesh/leave", { method: "POST", json: { bring } });
  }

  /** Copies everything into a new folder of the node's machine. */
  async backup(directory: string, onProgress: OnProgress = () => undefined): Promise<void> {
    await this.#long("/v1/backup", { json: { directory } }, onProgress);
  }

  /** Recomputes every hash and names what is damaged. */
  async verify(onProgress: OnProgress = () => undefined): Promise<readonly Damage[]> {
    const result = await this.#long("/v1/verify", {}, onProgress);
    return (result["damage"] ?? []) as readonly Damage[];
  }

  /** Everything that happens from now on, until `signal` is aborted or the node ends the stream. */
  async *events(signal: AbortSignal): AsyncGenerator<NodeEvent> {
    const response = await this.#call("/v1/events", {
      signal,
      timeoutMs: 0,
      accept: "text/event-stream",
    });
    if (response.body === null) return;
    yield* readEvents(response.body, signal);
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

  async #json<T>(path: string, options: CallOptions = {}): Promise<T> {
    const response = await this.#call(path, options);
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

  async #call(path: string, options: CallOptions): Promise<Response> {
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
  async #long(
    path: string,
    options: CallOptions,
    onProgress: OnProgress,
  ): Promise<Readonly<Record<string, unknown>>> {
    const response = await this.#call(path, {
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
        "Authorization": `Bearer ${this.#node.token}`,
        "Accept": options.accept ?? "application/json",
        ...(hasJson ? { "Content-Type": "application/json" } : {}),
        ...options.headers,
      },
      body: hasJson ? JSON.stringify(options.json) : options.body ?? null,
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
        hint: this.#texts.client.unreachableHint(this.#node.pid),
        cause: error,
      },
    );
  }

  async #refusal(response: Response): Promise<CliError> {
    const problem = await readProblem(response);
    const unauthenticated = response.status === 401;
    return new CliError(problem.detail || this.#texts.client.status(response.status), {
      code: problem.reason,
      exitCode: response.status >= 500 ? EXIT.failed : EXIT.refused,
      hint: unauthenticated
        ? this.#texts.client.unauthenticatedHint
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
