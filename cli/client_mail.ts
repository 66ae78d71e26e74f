/** Messages and conversations of the running node over HTTP. */
import type {
  ConversationChange,
  ConversationView,
  MailStatus,
  MessagePage,
  MessageView,
  NewMessage,
} from "../actors/mail_handle.ts";
import { type GatewayHttp, LONG_CALL_TIMEOUT_MS } from "./client_http.ts";

/** The routes of messages; see `NodeClient.mail`. */
export class MailClient {
  readonly #http: GatewayHttp;

  constructor(http: GatewayHttp) {
    this.#http = http;
  }

  /** Sends once; a retry with the same key changes nothing. */
  send(message: NewMessage, key: string): Promise<MessageView> {
    const headers = { "Idempotency-Key": key };
    const { attachments = [], ...fields } = message;
    const options = { method: "POST", headers, timeoutMs: LONG_CALL_TIMEOUT_MS } as const;
    if (attachments.length === 0) {
      return this.#http.json("/v1/messages", { ...options, json: fields });
    }
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) {
      for (const item of [value].flat()) form.append(name, String(item));
    }
    for (const { name, mediaType, body } of attachments) {
      form.append("attachment", new File([new Uint8Array(body)], name, { type: mediaType }));
    }
    return this.#http.json("/v1/messages", { ...options, form });
  }

  async conversations(): Promise<readonly ConversationView[]> {
    const answer = await this.#http.json<{ conversations: readonly ConversationView[] }>(
      "/v1/conversations",
    );
    return answer.conversations;
  }

  conversation(id: string): Promise<ConversationView> {
    return this.#http.json(`/v1/conversations/${encodeURIComponent(id)}`);
  }

  /** A page of a conversation, oldest first; the newest page without a cursor. */
  messages(
    id: string,
    query: { readonly cursor?: string | undefined; readonly limit: number },
  ): Promise<MessagePage> {
    return this.#http.json(`/v1/conversations/${encodeURIComponent(id)}/messages`, { query });
  }

  message(id: string): Promise<MessageView> {
    return this.#http.json(`/v1/messages/${encodeURIComponent(id)}`);
  }

  markRead(id: string, upTo: string): Promise<ConversationView> {
    const path = `/v1/conversations/${encodeURIComponent(id)}/read`;
    return this.#http.json(path, { method: "POST", json: { upTo } });
  }

  changeConversation(id: string, change: ConversationChange): Promise<ConversationView> {
    const path = `/v1/conversations/${encodeURIComponent(id)}`;
    return this.#http.json(path, { method: "PATCH", json: change });
  }

  /** A whole attachment as it arrives. */
  async attachment(message: string, index: number): Promise<ReadableStream<Uint8Array>> {
    const path = `/v1/messages/${encodeURIComponent(message)}/attachments/${index}`;
    const response = await this.#http.call(path, {
      timeoutMs: LONG_CALL_TIMEOUT_MS,
      accept: "*/*",
    });
    return response.body ?? new ReadableStream({ start: (controller) => controller.close() });
  }

  status(): Promise<MailStatus> {
    return this.#http.json("/v1/mail/status");
  }
}
