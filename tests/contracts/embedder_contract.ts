/** What every Embedder must keep. */
import assert from "node:assert/strict";
import { EMBEDDED_TEXTS_MAX, type Embedder } from "../../inference/embedder.ts";

/** Registers the suite for one adapter whose model is ready. */
export function embedderContract(name: string, open: () => Promise<Embedder>): void {
  const check = (what: string, body: (embedder: Embedder) => Promise<void>) =>
    Deno.test(`${name} ${what}`, async () => {
      const embedder = await open();
      try {
        await body(embedder);
      } finally {
        await embedder.close();
      }
    });

  check("gives one vector of the stated length per text, in order", async (embedder) => {
    const texts = ["tomatoes need sun", "", "Kürbis 🎃", "tomatoes need sun"];
    const vectors = await embedder.embed(texts);
    assert.equal(vectors.length, texts.length);
    for (const vector of vectors) assert.equal(vector.length, embedder.description.dimensions);
    assert.deepEqual(vectors[0], vectors[3]);
    assert.notDeepEqual(vectors[0], vectors[2]);
  });

  check("gives vectors of length 1", async (embedder) => {
    for (const vector of await embedder.embed(["a", "a longer text about gardens", ""])) {
      const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
      assert.ok(Math.abs(length - 1) < 1e-5, `length is ${length}`);
    }
  });

  check("gives the same vector for a text alone and among others", async (embedder) => {
    const [alone] = await embedder.embed(["late blight"]);
    const [, among] = await embedder.embed(["something else", "late blight"]);
    for (let i = 0; i < alone!.length; i++) assert.ok(Math.abs(alone![i]! - among![i]!) < 1e-4);
  });

  check("takes texts longer than it reads and refuses too many", async (embedder) => {
    const long = "x ".repeat(embedder.description.textCharactersMax);
    assert.equal((await embedder.embed([long])).length, 1);
    await assert.rejects(
      embedder.embed(Array.from({ length: EMBEDDED_TEXTS_MAX + 1 }, () => "x")),
      RangeError,
    );
  });
}
