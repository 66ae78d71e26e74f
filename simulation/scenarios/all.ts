/** Every scenario by its name. */
import { calm } from "./calm.ts";
import { churn } from "./churn.ts";
import { crowd } from "./crowd.ts";
import { failureDetection } from "./failure_detection.ts";
import { largeBodies } from "./large_bodies.ts";
import { learning } from "./learning.ts";
import { learningBuffered } from "./learning_buffered.ts";
import { learningCrowd } from "./learning_crowd.ts";
import { learningDropouts } from "./learning_dropouts.ts";
import { learningGrid } from "./learning_grid.ts";
import { learningGridCrowd } from "./learning_grid_crowd.ts";
import { learningTwoServers } from "./learning_two_servers.ts";
import { messages } from "./messages.ts";
import { messagesOldDisk } from "./messages_old_disk.ts";
import { pairing } from "./pairing.ts";
import { paths } from "./paths.ts";
import { partitionAndCrash } from "./partition_and_crash.ts";
import type { Scenario } from "./scenario.ts";
import { revocations } from "./revocations.ts";
import { stranger } from "./stranger.ts";
import { twoHomes } from "./two_homes.ts";
import { twoLogs } from "./two_logs.ts";

export const SCENARIOS: readonly Scenario[] = [
  calm,
  partitionAndCrash,
  churn,
  pairing,
  learning,
  learningBuffered,
  learningDropouts,
  learningCrowd,
  learningGrid,
  learningGridCrowd,
  learningTwoServers,
  messages,
  messagesOldDisk,
  largeBodies,
  paths,
  stranger,
  revocations,
  twoLogs,
  failureDetection,
  twoHomes,
  crowd,
];
