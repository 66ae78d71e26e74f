/** Sentences of a node, which are English, over HTTP and in logs: known by their form, and said in German where German is spoken. */

/** What a sentence, or a part of one, looks like, and what it is in German; `$1` is what stood there. */
export type Sentences = readonly (readonly [form: RegExp, german: string])[];

/** Each sentence that is found becomes its German, in their order. */
export function inGerman(text: string, sentences: Sentences): string {
  return sentences.reduce((found, [form, german]) => found.replace(form, german), text);
}
