/**
 * Bulyan over Krum: θ = n − 2f updates are chosen by Krum one after another, then of each coordinate the mean of the θ − 2f values nearest
 * to their median. El Mhamdi, Guerraoui, Rouault: "The Hidden Vulnerability of Distributed Learning in Byzantium", ICML 2018, section
 * 4. Bears f liars of n ≥ 4f + 3. Weights are not read.
 */
import { invariant } from "../../platform/invariant.ts";
import { type AggregationRule, ruleOf } from "./rule.ts";
import { COLUMN_TILES, columnFolder, columnFolderBytes } from "./column_ranks.ts";
import { krumRepeatedly, krumRepeatedlyBytes } from "./krum_scores.ts";
import { pairwiseDistances, pairwiseDistancesBytes } from "./pairwise_distances.ts";
import { forEachTile } from "./tiles.ts";
import { finiteResult, requireClients } from "./update_source.ts";

const RULE = "bulyan";

/** The rule; `faulty` is f ≥ 0. */
export function bulyan(options: { readonly faulty: number }): AggregationRule {
  const { faulty } = options;
  invariant(
    Number.isInteger(faulty) && faulty >= 0,
    () => `Cannot aggregate by Bulyan: faulty is ${faulty}, expected an integer >= 0`,
  );
  const clientsMin = 4 * faulty + 3;
  return ruleOf({
    name: RULE,
    clientsMin,
    weighted: false,
    workingBytes: ({ clients }) =>
      pairwiseDistancesBytes(clients) + krumRepeatedlyBytes(clients) + columnFolderBytes(clients),
    *steps(source) {
      requireClients(source, clientsMin, `${RULE} with ${faulty} faulty`);
      const { clients } = source;
      const distances = yield* pairwiseDistances(source);
      const chosen = yield* krumRepeatedly({ distances, clients, faulty }, clients - 2 * faulty);
      const nearest = chosen.length - 2 * faulty;
      const result = new Float32Array(source.count);
      const fold = columnFolder(
        chosen.length,
        { from: 0, to: chosen.length - 1, sorted: true },
        (column) => meanAroundMedian(column, nearest),
      );
      yield* forEachTile(source, chosen, (tile) => fold(tile, result), COLUMN_TILES);
      return finiteResult(result, RULE);
    },
    begin: null,
  });
}

/** Mean of the `nearest` values around the median of an ascending column: they stand side by side in it. */
function meanAroundMedian(column: Float32Array<ArrayBuffer>, nearest: number): number {
  const last = column.length - 1;
  const median = (column[last >> 1]! + column[(last + 1) >> 1]!) / 2;
  let from = 0;
  // One step to the right drops the first and takes the next; worth it while the next is nearer.
  while (
    from + nearest <= last && column[from + nearest]! - median < median - column[from]!
  ) from++;
  let sum = 0;
  for (let i = from; i < from + nearest; i++) sum += column[i]!;
  return sum / nearest;
}
