/**
 * Coordinate-wise median. Yin, Chen, Kannan, Bartlett: "Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates", ICML
 * 2018, definition 1. Each coordinate stays among honest values while fewer than half of the clients lie. Weights are not read.
 */
import { type AggregationRule, ruleOf } from "./rule.ts";
import { COLUMN_TILES, columnFolder, columnFolderBytes } from "./column_ranks.ts";
import { allClients, forEachTile, tileBytes } from "./tiles.ts";
import { finiteResult, requireClients } from "./update_source.ts";

const RULE = "coordinateMedian";

/** The rule; of two middle values their mean. */
export function coordinateMedian(): AggregationRule {
  return ruleOf({
    name: RULE,
    clientsMin: 1,
    weighted: false,
    workingBytes: ({ clients }) => tileBytes(clients) + columnFolderBytes(clients),
    *steps(source) {
      requireClients(source, 1, RULE);
      const from = (source.clients - 1) >> 1;
      const to = source.clients >> 1;
      const result = new Float32Array(source.count);
      const fold = columnFolder(
        source.clients,
        { from, to, sorted: false },
        (column) => (column[from]! + column[to]!) / 2,
      );
      yield* forEachTile(source, allClients(source), (tile) => fold(tile, result), COLUMN_TILES);
      return finiteResult(result, RULE);
    },
    begin: null,
  });
}
