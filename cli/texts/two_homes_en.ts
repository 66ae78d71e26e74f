/** English texts of `submind demo --two-homes`. */
export const enTwoHomes = {
  title: "submind demo: two homes, one mesh",
  routers:
    "Two homes as network namespaces, each behind its own router (port-restricted NAT). Between them: a TURN server (coturn) and a NATS hub. Real: every packet crosses the kernel's address translation, nodes and servers are those you would use. Not real: the distance.",
  loopback: (reason: string) =>
    `Homes behind routers cannot be made here: ${reason}. Instead two nodes on this machine that know each other only through three NATS hubs. Real: nodes, brokers, messages, encryption. Not real: there are no routers, and direct paths are switched off.`,
  noServer: (version: string) =>
    `Cannot show two homes: nats-server ${version} or newer is not installed`,
  noServerHint:
    "Install nats-server (https://nats.io) and, for routers, coturn, iproute2, nftables and root.",
  notLinux: "that needs Linux",
  compiled: "that needs the source checkout",
  noTurn: "coturn (turnserver) is not installed",
  building: "Building the homes and what stands between them…",
  starting: "Anna and Ben are set up at the same kitchen table…",
  paired: (words: string) => `Paired: ${words}. Both go home.`,
  met: (way: string, time: string) => `They find each other after ${time}: ${way}.`,
  ways: { direct: "directly", turn: "through the TURN server", nats: "over the broker" },
  flowing: "From now on both write to each other all the time.",
  blocks: (count: string, time: string) =>
    `${count} notes added in each home are in both after ${time}.`,
  separated:
    "The direct way between the homes is cut; the TURN server and the broker still reach both.",
  hubKilled: (name: string) => `${name} is killed, without warning.`,
  failedOver: (time: string, way: string) =>
    `A message written right after that arrives after ${time}, ${way}.`,
  joined: (time: string, way: string) => `The cut is healed: after ${time} they talk ${way} again.`,
  hubBack: "The hub is back.",
  cut: "Ben's home is cut off from the internet. Both go on writing.",
  cutBroker: "All hubs are killed. Both go on writing.",
  healed: (count: string, time: string) =>
    `Healed: ${count} messages and all notes from meanwhile are there after ${time}.`,
  counted: (messages: string, lost: string, twice: string) =>
    `${messages} messages: ${lost} lost, ${twice} shown twice.`,
  running: "Both homes keep running.",
  wrong: "messages were lost or shown twice",
  events: {
    meeting: "the two homes to find each other",
    blocks: "all notes to be in both homes",
    failover: "a message to arrive by another way",
    rejoin: "the direct way",
    down: "the session to be seen as down",
    messages: "all messages to arrive",
    sync: "both to be in sync",
  },
};
