/** Topics for one-to-many events. */
import type { Topic } from "./actor.ts";

/** Makes a topic. Its identity, not its name, decides who hears what. */
export function topic<Event>(name: string): Topic<Event> {
  return { name };
}
