/** All tasks. A new one is a file in this folder and a line here; nothing else knows tasks by name. */
import type { LearningTask } from "../task.ts";
import { mnistTask } from "./mnist.ts";
import { sensorsTask } from "./sensors.ts";
import { topicsTask } from "./topics.ts";

export const TASKS: readonly LearningTask[] = [
  mnistTask,
  sensorsTask,
  topicsTask,
];
