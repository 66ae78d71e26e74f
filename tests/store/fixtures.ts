/** What the database fixtures hold. */
import type { Block } from "../../protocols/blocks/block.ts";
import { TestAuthor, withoutPayload } from "./authors.ts";

/** The folder of databases of every released schema version. */
export const FIXTURES: string = new URL("../fixtures/databases", import.meta.url).pathname;

/** The blocks in every fixture, in the order stored: a log, a twin, a removal, a block without payload. */
export function fixtureBlocks(): Block[] {
  const ada = new TestAuthor("fixture ada");
  const ben = new TestAuthor("fixture ben");
  const first = ada.write("Tomatoes\nsow in March", { topic: "garden" });
  const second = ada.write("second");
  return [
    first,
    second,
    ada.write("a twin of the second", { after: first }),
    withoutPayload(ben.write("kept by others")),
    ben.write("", { kind: "tombstone", target: second.id }),
  ];
}

/** The reading in databases since schema version 3. */
export const READING = {
  metric: "temperature_c",
  value: 21.5,
  atMs: 1_763_700_000_000,
  sequence: 7,
};
