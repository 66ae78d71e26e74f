/**
 * The cells of McMahan, Moore, Ramage, Hampson and Agüera y Arcas, "Communication-Efficient Learning of Deep Networks from Decentralized Data",
 * AISTATS 2017, that we repeat: MNIST among 100 clients, rounds until the test accuracy is reached.
 */

export type CellModel = "2nn" | "cnn";
export type CellData = "iid" | "noniid";

/** One experiment. */
export interface Cell {
  readonly model: CellModel;
  readonly data: CellData;
  /** C: share of the clients in each round. */
  readonly fraction: number;
  /** E: passes over a client's examples. */
  readonly epochs: number;
  /** B: examples per step; null for all of them (B = ∞). */
  readonly batchSize: number | null;
}

/** A cell with what the paper found. */
export interface PaperCell extends Cell {
  /** Rounds in the paper: table 2 first, then table 1 where that has the cell too and says otherwise. */
  readonly paper: readonly number[];
}

/** Clients of the paper's experiments. */
export const CLIENTS = 100;
/** Examples of each. */
export const EXAMPLES_EACH = 600;
/** The same cell differs by this much between the paper's own two tables (229 and 206 rounds): closer nobody can be asked to be. */
export const PAPER_TOLERANCE = 0.12;

/** Test accuracy the paper counts rounds to. */
export function paperTarget(model: CellModel): number {
  return model === "2nn" ? 0.97 : 0.99;
}

const nn = (data: CellData, fraction: number, paper: number): PaperCell => ({
  model: "2nn",
  data,
  fraction,
  epochs: 1,
  batchSize: 10,
  paper: [paper],
});

const cnn = (
  data: CellData,
  fraction: number,
  epochs: number,
  batchSize: number,
  ...paper: readonly number[]
): PaperCell => ({ model: "cnn", data, fraction, epochs, batchSize, paper });

/**
 * In the order in which they tell most for their time: the small network first, each network with both kinds of data before variations of C, and at the end
 * what takes hours.
 */
export const PAPER_CELLS: readonly PaperCell[] = [
  nn("iid", 0.1, 87),
  nn("noniid", 0.1, 664),
  cnn("iid", 0.1, 1, 10, 34),
  cnn("iid", 0.1, 5, 10, 20, 18),
  nn("iid", 0.2, 77),
  nn("iid", 0.5, 75),
  nn("iid", 1, 70),
  nn("noniid", 0.2, 619),
  nn("noniid", 0.5, 443),
  nn("noniid", 1, 380),
  cnn("noniid", 0.1, 1, 10, 350),
  cnn("noniid", 0.1, 5, 10, 229, 206),
  cnn("iid", 0.1, 1, 50, 65),
  cnn("iid", 0.1, 5, 50, 29),
  cnn("noniid", 0.1, 5, 50, 334),
  cnn("noniid", 0.1, 1, 50, 600),
  cnn("iid", 0.2, 5, 10, 18),
  cnn("iid", 0.1, 20, 10, 18),
  cnn("noniid", 0.2, 5, 10, 200),
  cnn("noniid", 0.1, 20, 10, 173),
  cnn("iid", 0.5, 5, 10, 18),
  cnn("iid", 1, 5, 10, 16),
  cnn("noniid", 0.5, 5, 10, 261),
  cnn("noniid", 1, 5, 10, 97),
];

/** The cell as it is typed: "cnn,noniid,C=0.1,E=5,B=10". */
export function cellName({ model, data, fraction, epochs, batchSize }: Cell): string {
  return `${model},${data},C=${fraction},E=${epochs},B=${batchSize ?? "inf"}`;
}

/** Reads a cell as `cellName` writes it; it need not be one of the paper's. Throws a `RangeError` that says what was expected. */
export function parseCell(text: string): Cell {
  const match = /^(2nn|cnn),(iid|noniid),C=([0-9.]+),E=([0-9]+),B=([0-9]+|inf)$/.exec(text.trim());
  const [, model, data, fraction, epochs, batch] = match ?? [];
  const cell = {
    model: model as CellModel,
    data: data as CellData,
    fraction: Number(fraction),
    epochs: Number(epochs),
    batchSize: batch === "inf" ? null : Number(batch),
  };
  const fits = match !== null && cell.fraction >= 0 && cell.fraction <= 1 && cell.epochs >= 1 &&
    cell.epochs <= 100 && (cell.batchSize === null || inRange(cell.batchSize));
  if (fits) return cell;
  throw new RangeError(
    `Cannot read the cell "${text}": expected MODEL,DATA,C=0–1,E=1–100,B=1–${EXAMPLES_EACH} or inf, like cnn,noniid,C=0.1,E=5,B=10`,
  );
}

function inRange(batchSize: number): boolean {
  return batchSize >= 1 && batchSize <= EXAMPLES_EACH;
}

/** What the paper found for a cell; empty when it is not one of those repeated. */
export function paperRounds(cell: Cell): readonly number[] {
  const name = cellName(cell);
  return PAPER_CELLS.find((known) => cellName(known) === name)?.paper ?? [];
}

/**
 * The clients' learning rate η. The paper chose the best of a grid with steps of 10^(1/3) or 10^(1/6) for each cell and does not print it; ours are of
 * the same grid. docs/reproduce-mcmahan.md tells which were tried.
 */
export function learningRateOf({ model, data }: Cell): number {
  if (model === "2nn") return data === "iid" ? 0.1 : 0.0464;
  return data === "iid" ? 0.215 : 0.0464;
}
