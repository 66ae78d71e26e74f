/** English texts: what happens, one line per event. */

export const enEvents = {
  made: "made here",
  from: (id: string) => `from ${id}`,
  bodyCompleted: (id: string) => `${id} is complete`,
  equivocation: (id: string, sequence: number) =>
    `${id} has signed two blocks with number ${sequence}`,
  damageFound: (table: string, key: string, problem: string) =>
    `damage in ${table} ${key}: ${problem}`,
  damageRepaired: (table: string, key: string) => `repaired ${table} ${key}`,
  sighted: (name: string, id: string) => `sees ${name} ${id}`,
  gone: (id: string, why: string) => `${id} is gone (${why})`,
  goneReasons: { goodbye: "said goodbye", expired: "silent" },
  noMulticast: (why: string) => `no multicast: ${why}`,
  sessionUp: (id: string, path: string, ms: number) => `connected to ${id} (${path}, ${ms} ms)`,
  sessionDown: (id: string, why: string) => `lost ${id}: ${why}`,
  inSync: (id: string) => `in sync with ${id}`,
  founded: (id: string) => `founded mesh ${id}`,
  joined: (id: string) => `joined mesh ${id}`,
  member: (id: string, change: string) => `member ${id} ${change}`,
  memberChanges: { added: "added", updated: "changed", revoked: "revoked" },
  messageReceived: (id: string) => `message from ${id}`,
  delivery: (message: string, id: string, state: string) => `message ${message} to ${id}: ${state}`,
  deliveries: {
    queued: "queued",
    carried: "on its way",
    delivered: "delivered",
    read: "read",
    expired: "expired",
    failed: "failed",
  },
  bridgeUp: (server: string) => `broker connected: ${server}`,
  bridgeDown: (why: string) => `broker lost: ${why}`,
  liveness: (id: string, state: string) => `${id} is ${state}`,
  livenesses: {
    unknown: "unknown",
    alive: "alive",
    suspect: "under suspicion",
    dead: "dead",
    left: "gone",
  },
  pathChanged: (id: string, from: string, to: string, relayed: boolean) =>
    `path to ${id} moved from ${from} to ${to}${relayed ? " (relayed)" : ""}`,
  readings: (sensor: string, count: number) => `${count} readings of ${sensor}`,
  runChanged: (id: string, state: string) => `learning ${id}: ${state}`,
  runStates: { open: "not joined", running: "joined", finished: "finished", stopped: "stopped" },
  roundFinished: (
    id: string,
    { round, counted, accuracy }: {
      readonly round: number;
      readonly counted: number;
      readonly accuracy: number | null;
    },
  ) =>
    `learning ${id}: round ${round} of ${counted} ${counted === 1 ? "device" : "devices"}${
      accuracy === null ? "" : `, ${(100 * accuracy).toFixed(1)} % right`
    }`,
  /** What a node warns of, in its own words, which are English. */
  warning: (message: string) => message,
  pairing: (phase: string) => `pairing: ${phase}`,
  phases: {
    connecting: "connecting",
    confirming: "people compare the words",
    waitingForOther: "waiting for the other side",
    completed: "completed",
    refused: "refused",
    failed: "failed",
  },
};
