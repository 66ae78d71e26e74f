import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  EMBEDDED_TEXTS_MAX,
  type Embedder,
  EmbedderUnavailableError,
} from "../../inference/embedder.ts";
import { embedderContract } from "../contracts/embedder_contract.ts";

/** Vectors from a hash: no meaning, but everything the port promises. For tests of what uses the port. */
function hashEmbedder(): Embedder {
  return {
    description: { modelId: "hash@8", dimensions: 8, textCharactersMax: 1000 },
    state: () => ({ type: "ready" }),
    embed(texts) {
      if (texts.length > EMBEDDED_TEXTS_MAX) {
        return Promise.reject(
          new RangeError(`${texts.length} texts, expected at most ${EMBEDDED_TEXTS_MAX}`),
        );
      }
      return Promise.resolve(texts.map((text) => {
        const hash = createHash("sha256").update(text.slice(0, 1000)).digest();
        const vector = Float32Array.from(
          { length: 8 },
          (_, i) => hash.readInt16LE(i * 2) / 32768 + 1e-9,
        );
        const length = Math.hypot(...vector);
        return vector.map((x) => x / length);
      }));
    },
    close: () => Promise.resolve(),
  };
}

embedderContract("the hash embedder", () => Promise.resolve(hashEmbedder()));

Deno.test("an embedder without a model says what to do", () => {
  const error = new EmbedderUnavailableError({
    type: "unavailable",
    reason: "no model",
    hint: "Put one into models/.",
  });
  assert.equal(error.message, "Cannot embed: no model. Put one into models/.");
});
