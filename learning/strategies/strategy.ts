/**
 * Strategies as a plan names them: a name and its numbers. Plain data, so that it can be signed, shown and compared; `createStrategy` makes
 * what a round runs. The rule that combines updates is chosen beside it (`learning/aggregation/rules.ts`).
 */
import { z } from "zod";
import type { Aggregation } from "../aggregation/rules.ts";
import { type Choice, fromChoice } from "./choice.ts";
import { fedAdagrad } from "./fedadagrad.ts";
import { fedAdam } from "./fedadam.ts";
import { fedAvg } from "./fedavg.ts";
import { fedAvgM } from "./fedavgm.ts";
import type { FedBuffOptions } from "./fedbuff.ts";
import { type ClientSettings, fedProxClients } from "./fedprox.ts";
import { fedYogi } from "./fedyogi.ts";
import type { ServerOptimiser } from "./server_optimiser.ts";

/** What one number of a strategy may be, for forms, help and checks. */
export interface StrategyNumber {
  readonly least: number;
  /** Not allowed itself when `below` is true. */
  readonly most: number;
  readonly below?: boolean;
  readonly integer?: boolean;
  readonly initial: number;
  readonly meaning: { readonly en: string; readonly de: string };
}

const serverRate = (initial: number): StrategyNumber => ({
  least: 1e-6,
  most: 100,
  initial,
  meaning: { en: "server learning rate η", de: "Lernrate des Servers η" },
});
const momentum: StrategyNumber = {
  least: 0,
  most: 1,
  below: true,
  initial: 0.9,
  meaning: { en: "momentum of the server β₁", de: "Trägheit des Servers β₁" },
};
const memory: StrategyNumber = {
  least: 0,
  most: 1,
  below: true,
  initial: 0.99,
  meaning: { en: "memory of the second moment β₂", de: "Gedächtnis des zweiten Moments β₂" },
};
const adaptivity: StrategyNumber = {
  least: 1e-8,
  most: 10,
  initial: 1e-3,
  meaning: {
    en: "degree of adaptivity τ: smaller adapts more",
    de: "Grad der Anpassung τ: kleiner passt sich mehr an",
  },
};

/** Every strategy with its numbers; the values of `initial` are the cited papers' or, for rates, Flower's. */
export const STRATEGY_NUMBERS = {
  fedAvg: { serverRate: serverRate(1) },
  fedProx: {
    serverRate: serverRate(1),
    proximal: {
      least: 0,
      most: 100,
      initial: 0.01,
      meaning: {
        en: "pull μ of clients towards the model they were given",
        de: "Zug μ der Geräte zum Modell, das sie bekamen",
      },
    },
  },
  fedAvgM: { serverRate: serverRate(1), momentum },
  fedAdagrad: { serverRate: serverRate(0.1), adaptivity },
  fedAdam: { serverRate: serverRate(0.1), momentum, memory, adaptivity },
  fedYogi: { serverRate: serverRate(0.01), momentum, memory, adaptivity },
  fedBuff: {
    serverRate: serverRate(1),
    goal: {
      least: 1,
      most: 100_000,
      integer: true,
      initial: 10,
      meaning: {
        en: "updates K that make a model version",
        de: "Beiträge K, die eine Modellfassung ergeben",
      },
    },
    stalenessMax: {
      least: 0,
      most: 1_000,
      integer: true,
      initial: 20,
      meaning: {
        en: "versions an update may be behind",
        de: "Fassungen, die ein Beitrag zurückliegen darf",
      },
    },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, StrategyNumber>>>>;

export type StrategyName = keyof typeof STRATEGY_NUMBERS;

/** A strategy with all its numbers. */
export type Strategy = {
  readonly [Name in StrategyName]:
    & { readonly name: Name }
    & { readonly [Key in keyof (typeof STRATEGY_NUMBERS)[Name]]: number };
}[StrategyName];

/** Reads a strategy strictly: unknown keys and numbers out of range are refused, absent numbers get their initial value. */
export const strategySchema: z.ZodType<Strategy> = z.discriminatedUnion("name", [
  schemaOf("fedAvg"),
  schemaOf("fedProx"),
  schemaOf("fedAvgM"),
  schemaOf("fedAdagrad"),
  schemaOf("fedAdam"),
  schemaOf("fedYogi"),
  schemaOf("fedBuff"),
]) as unknown as z.ZodType<Strategy>;

/** The strategy a plan chose. Throws a `RangeError` that names what does not fit. */
export function strategyOf(choice: Choice): Strategy {
  return fromChoice("strategy", strategySchema, choice);
}

/** Why a strategy cannot run with a rule, for people; null when it can. */
export function strategyProblem(strategy: Strategy, aggregation: Aggregation): string | null {
  if (strategy.name !== "fedBuff" || aggregation.name === "weightedMean") return null;
  return `Strategy fedBuff adds updates as they come and keeps none: expected the rule "weightedMean", not "${aggregation.name}"`;
}

/** A strategy as a round runs it. */
export interface RunningStrategy {
  readonly name: StrategyName;
  readonly optimiser: ServerOptimiser;
  /** What clients add to their training job. */
  readonly clients: ClientSettings;
  /** For `FedBuff.start`; null when rounds wait for their clients. */
  readonly buffer: FedBuffOptions | null;
}

/** Makes what a round runs. */
export function createStrategy(strategy: Strategy): RunningStrategy {
  return {
    name: strategy.name,
    optimiser: optimiserFor(strategy),
    clients: strategy.name === "fedProx" ? fedProxClients(strategy) : {},
    buffer: strategy.name === "fedBuff"
      ? { goal: strategy.goal, stalenessMax: strategy.stalenessMax }
      : null,
  };
}

function optimiserFor(strategy: Strategy): ServerOptimiser {
  switch (strategy.name) {
    case "fedAvg":
    case "fedProx":
    case "fedBuff":
      return fedAvg(strategy);
    case "fedAvgM":
      return fedAvgM(strategy);
    case "fedAdagrad":
      return fedAdagrad(strategy);
    case "fedAdam":
      return fedAdam(strategy);
    case "fedYogi":
      return fedYogi(strategy);
  }
}

function schemaOf<Name extends StrategyName>(name: Name) {
  const numbers: Readonly<Record<string, StrategyNumber>> = STRATEGY_NUMBERS[name];
  const fields = Object.entries(numbers).map(([key, number]) => [key, numberSchema(number)]);
  return z.strictObject({
    name: z.literal(name),
    ...Object.fromEntries(fields) as Record<string, z.ZodType<number>>,
  });
}

function numberSchema({ least, most, below, integer, initial }: StrategyNumber) {
  const base = (integer === true ? z.int() : z.number()).min(least);
  return (below === true ? base.lt(most) : base.max(most)).default(initial);
}
