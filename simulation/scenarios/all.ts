/** Every scenario by its name. */
import { calm } from "./calm.ts";
import { churn } from "./churn.ts";
import { crowd } from "./crowd.ts";
import { largeBodies } from "./large_bodies.ts";
import { pairing } from "./pairing.ts";
import { partitionAndCrash } from "./partition_and_crash.ts";
import type { Scenario } from "./scenario.ts";
import { stranger } from "./stranger.ts";

export const SCENARIOS: readonly Scenario[] = [
  calm,
  partitionAndCrash,
  churn,
  pairing,
  largeBodies,
  stranger,
  crowd,
];
