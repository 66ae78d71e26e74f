/**
 * Coordinate-wise trimmed mean: of each coordinate the ⌊βn⌋ smallest and as many largest are left out. Yin, Chen, Kannan, Bartlett:
 * "Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates", ICML 2018, definition 2. Bears ⌊βn⌋ liars. Weights are not read.
 */
import { invariant } from "../../platform/invariant.ts";
import { type AggregationRule, ruleOf } from "./rule.ts";
import { COLUMN_TILES, columnFolder, columnFolderBytes } from "./column_ranks.ts";
import { allClients, forEachTile, tileBytes } from "./tiles.ts";
import { finiteResult, requireClients } from "./update_source.ts";

const RULE = "trimmedMean";

/** The rule; `share` is β of each end, 0 ≤ β < 0.5. Needs so many clients that at least one is cut from each end, when β > 0. */
export function trimmedMean(options: { readonly share: number }): AggregationRule {
  const { share } = options;
  invariant(
    share >= 0 && share < 0.5,
    () => `Cannot trim: share is ${share}, expected 0 <= share < 0.5`,
  );
  const clientsMin = share === 0 ? 1 : fewestCut(share);
  return ruleOf({
    name: RULE,
    clientsMin,
    weighted: false,
    workingBytes: ({ clients }) => tileBytes(clients) + columnFolderBytes(clients),
    *steps(source) {
      requireClients(source, clientsMin, RULE);
      const from = Math.floor(share * source.clients);
      const to = source.clients - 1 - from;
      const result = new Float32Array(source.count);
      const fold = columnFolder(source.clients, { from, to, sorted: false }, (column) => {
        let sum = 0;
        for (let i = from; i <= to; i++) sum += column[i]!;
        return sum / (to - from + 1);
      });
      yield* forEachTile(source, allClients(source), (tile) => fold(tile, result), COLUMN_TILES);
      return finiteResult(result, RULE);
    },
    begin: null,
  });
}

/** Fewest clients of whom a share this small cuts one. */
function fewestCut(share: number): number {
  const near = Math.ceil(1 / share);
  return Math.floor(share * near) >= 1 ? near : near + 1;
}
