/**
 * The Embedder port: text as vectors whose nearness is nearness of meaning. One adapter per file beside this one, each with its
 * model in a worker; a node without any still finds by words.
 */

/** What a model is, so that vectors of different models are never compared. */
export interface EmbedderDescription {
  /** Stable name with version, for example "use-lite-1@512": stored beside every vector. */
  readonly modelId: string;
  /** Length of every vector. */
  readonly dimensions: number;
  /** Longest text that counts, characters; the rest is cut off by the adapter. */
  readonly textCharactersMax: number;
}

export type EmbedderState =
  /** `embed` answers. */
  | { readonly type: "ready" }
  | { readonly type: "loading"; readonly bytesDone: number; readonly bytesTotal: number }
  /** No model here: `hint` tells a person how to get it. */
  | { readonly type: "unavailable"; readonly reason: string; readonly hint: string };

/** Makes vectors of texts. Adapters never reach for the network by themselves: models are files. */
export interface Embedder {
  readonly description: EmbedderDescription;
  state(): EmbedderState;
  /**
   * One vector per text, in order, each of Euclidean length 1, so that a dot product is the cosine. Equal texts give equal vectors.
   * At most `EMBEDDED_TEXTS_MAX` texts.
   *
   * @throws {EmbedderUnavailableError} when the state is not `ready`
   */
  embed(texts: readonly string[]): Promise<readonly Float32Array[]>;
  /** Ends workers and frees the model. */
  close(): Promise<void>;
}

/** Most texts of one call. */
export const EMBEDDED_TEXTS_MAX = 256;

/** There is no model to embed with (yet). */
export class EmbedderUnavailableError extends Error {
  override readonly name = "EmbedderUnavailableError";
  constructor(readonly state: Exclude<EmbedderState, { type: "ready" }>) {
    super(
      state.type === "loading"
        ? `Cannot embed: the model is loading (${state.bytesDone} of ${state.bytesTotal} bytes)`
        : `Cannot embed: ${state.reason}. ${state.hint}`,
    );
  }
}
