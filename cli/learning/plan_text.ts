/** A plan in one line: what the run computes, in the words of its options. */
import type { Choice } from "../../learning/runs/plan.ts";
import type { RunJson } from "../client_learning.ts";
import type { CommandContext } from "../command.ts";
import { figure } from "./figures.ts";

/** Strategy, local training, who sees what, compression and privacy. */
export function describePlan(plan: RunJson["plan"], context: CommandContext): string {
  const { local, aggregation, compression, privacy } = plan;
  const number = (value: number) => figure(value, context);
  const options = Object.entries(plan.options).map(([name, value]) => `${name}=${value}`);
  const rule = "rule" in aggregation ? ` ${choiceText(aggregation.rule)}` : "";
  const size = aggregation.type === "grid"
    ? ` M=${aggregation.side} d=${aggregation.dimensions}`
    : "";
  return [
    ...options,
    choiceText(plan.strategy),
    `E=${local.epochs} B=${local.batchSize} η=${number(local.learningRate)}`,
    `${aggregation.type}${size}${rule}`,
    ...(compression === null ? [] : [choiceText(compression)]),
    ...(privacy === null ? [] : [
      `ε≤${number(privacy.epsilonMax)} δ=${privacy.delta} C=${number(privacy.clip)} σ=${
        number(privacy.noiseMultiplier)
      } (${privacy.noise})${
        privacy.adaptive === undefined ? "" : ` C→q${number(privacy.adaptive.quantile)}`
      }`,
    ]),
  ].join(" · ");
}

/** As it is typed: `fedAdam:serverRate=0.1`. */
function choiceText({ name, numbers }: Choice): string {
  const said = Object.entries(numbers).map(([key, value]) => `${key}=${value}`);
  return said.length === 0 ? name : `${name}:${said.join(",")}`;
}
