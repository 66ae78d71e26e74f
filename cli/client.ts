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
import type { BridgeView } from "../actors/bridge/commands.ts";
import type { BlockDraft, BlockHeader } from "../protocols/blocks/block.ts";
import type { BlockId } from "../protocols/ids.ts";
import type { Damage, SearchPage } from "../store/store.ts";
import type { Json } from "../gateway/schema_identity.ts";
import type { NodeEvent } from "../actors/events.ts";
import { readEvents } from "./client_events.ts";
import { GatewayHttp, LONG_CALL_TIMEOUT_MS, type OnProgress } from "./client_http.ts";
import { LearningClient } from "./client_learning.ts";
import { MailClient } from "./client_mail.ts";
import { SensorClient } from "./client_sensors.ts";
import type { NodeFile } from "./node_file.ts";
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

/** Talks to one gateway. */
export class NodeClient {
  readonly #http: GatewayHttp;
  /** Messages and conversations. */
  readonly mail: MailClient;
  readonly sensors: SensorClient;
  /** Federated learning. */
  readonly learning: LearningClient;

  /** @param socket path of a Unix socket that leads to the gateway, for nodes in a network of their own */
  constructor(node: NodeFile, texts: Texts, socket = "") {
    this.#http = new GatewayHttp({
      url: node.gatewayUrl.replace(/\/+$/, ""),
      token: node.token,
      certificate: node.tlsCertificate,
      socket,
      unreachableHint: texts.client.unreachableHint(node.pid),
      unauthenticatedHint: texts.client.unauthenticatedHint,
    }, texts);
    this.mail = new MailClient(this.#http);
    this.sensors = new SensorClient(this.#http);
    this.learning = new LearningClient(this.#http);
  }

  /** Base address of the gateway, without a slash at the end. */
  get gatewayUrl(): string {
    return this.#http.gatewayUrl;
  }

  status(): Promise<NodeStatus> {
    return this.#http.json("/v1/status");
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
    const answer = await this.#http.json<{ blocks: readonly AddedBlock[] }>("/v1/blocks", {
      method: "POST",
      json: { blocks },
      headers: { "Idempotency-Key": key },
      timeoutMs: LONG_CALL_TIMEOUT_MS,
    });
    return answer.blocks;
  }

  /** Publishes one large body as it is, without the third that base64 adds. */
  async addRaw(draft: BlockDraft, key: string): Promise<readonly AddedBlock[]> {
    const answer = await this.#http.json<{ blocks: readonly AddedBlock[] }>("/v1/blocks", {
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
    return this.#http.json("/v1/blocks", { query: { ...query } });
  }

  block(id: string): Promise<Json<BlockView>> {
    return this.#http.json(`/v1/blocks/${encodeURIComponent(id)}`);
  }

  /** The whole body as it arrives. */
  async body(id: string): Promise<ReadableStream<Uint8Array>> {
    const path = `/v1/blocks/${encodeURIComponent(id)}/body`;
    const response = await this.#http.call(path, {
      timeoutMs: LONG_CALL_TIMEOUT_MS,
      accept: "*/*",
    });
    return response.body ?? new ReadableStream({ start: (controller) => controller.close() });
  }

  search(
    query: { text: string; topic?: string | undefined; limit: number; offset: number },
  ): Promise<SearchPage> {
    return this.#http.json("/v1/search", { query });
  }

  async peers(): Promise<readonly PeerView[]> {
    return (await this.#http.json<{ peers: readonly PeerView[] }>("/v1/peers")).peers;
  }

  async bridge(): Promise<BridgeView> {
    return await this.#http.json<BridgeView>("/v1/bridge");
  }

  async addPeer(address: string): Promise<void> {
    await this.#http.call("/v1/peers", { method: "POST", json: { address } });
  }

  async members(): Promise<readonly MemberView[]> {
    return (await this.#http.json<{ members: readonly MemberView[] }>("/v1/members")).members;
  }

  updateMember(id: string, change: MemberChange): Promise<MemberView> {
    return this.#http.json(`/v1/members/${encodeURIComponent(id)}`, {
      method: "PATCH",
      json: change,
    });
  }

  revokeMember(id: string): Promise<MemberView> {
    return this.#http.json(`/v1/members/${encodeURIComponent(id)}/revoke`, { method: "POST" });
  }

  createInvite(options: InviteOptions): Promise<InviteView> {
    return this.#http.json("/v1/invites", { method: "POST", json: options });
  }

  async invites(): Promise<readonly InviteView[]> {
    return (await this.#http.json<{ invites: readonly InviteView[] }>("/v1/invites")).invites;
  }

  async cancelInvite(id: string): Promise<void> {
    await this.#http.call(`/v1/invites/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  acceptInvite(linkOrCode: string): Promise<PairingView> {
    return this.#http.json("/v1/pairings", { method: "POST", json: { linkOrCode } });
  }

  async pairings(): Promise<readonly PairingView[]> {
    return (await this.#http.json<{ pairings: readonly PairingView[] }>("/v1/pairings")).pairings;
  }

  confirmPairing(id: string, wordsMatch: boolean): Promise<PairingView> {
    const path = `/v1/pairings/${encodeURIComponent(id)}/confirm`;
    return this.#http.json(path, { method: "POST", json: { wordsMatch } });
  }

  /** A link that logs a browser in once: its path below the gateway's address, and how long it holds, milliseconds. */
  createLogin(): Promise<{ readonly path: string; readonly validMs: number }> {
    return this.#http.json("/v1/login-codes", { method: "POST" });
  }

  async interest(): Promise<Interest | null> {
    return (await this.#http.json<{ interest: Interest | null }>("/v1/interest")).interest;
  }

  async setInterest(interest: Interest | null): Promise<Interest | null> {
    const answer = await this.#http.json<{ interest: Interest | null }>("/v1/interest", {
      method: "PUT",
      json: { interest },
    });
    return answer.interest;
  }

  /** Leaves a mesh of one; the node starts anew after its answer. */
  async leaveMesh(bring: boolean): Promise<void> {
    await this.#http.call("/v1/mesh/leave", { method: "POST", json: { bring } });
  }

  /** Copies everything into a new folder of the node's machine. */
  async backup(directory: string, onProgress: OnProgress = () => undefined): Promise<void> {
    await this.#http.long("/v1/backup", { json: { directory } }, onProgress);
  }

  /** Recomputes every hash and names what is damaged. */
  async verify(onProgress: OnProgress = () => undefined): Promise<readonly Damage[]> {
    const result = await this.#http.long("/v1/verify", {}, onProgress);
    return (result["damage"] ?? []) as readonly Damage[];
  }

  /** Everything that happens after `onOpen` was called, until `signal` is aborted or the node ends the stream. */
  async *events(
    signal: AbortSignal,
    onOpen: () => void = () => undefined,
  ): AsyncGenerator<NodeEvent> {
    const response = await this.#http.call("/v1/events", {
      signal,
      timeoutMs: 0,
      accept: "text/event-stream",
    });
    if (response.body === null) return;
    onOpen();
    yield* readEvents(response.body, signal);
  }

  /** Whether the gateway answers at all; needs no token. */
  healthy(): Promise<boolean> {
    return this.#http.healthy();
  }
}
