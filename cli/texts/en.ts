/** English texts. Errors say what could not be done, the value, what was expected; hints say what to do. */
import { enDemo } from "./demo_en.ts";
import { enDemoLearn } from "./demo_learn_en.ts";
import { enTwoHomes } from "./two_homes_en.ts";
import { enEvents } from "./events_en.ts";
import { enHelp } from "./help_en.ts";
import { enLearnData } from "./learn_data_en.ts";
import { enLearnEpsilon } from "./learn_epsilon_en.ts";
import { enLearnRuns } from "./learn_runs_en.ts";
import { enMail } from "./mail_en.ts";
import { enMother } from "./mother_en.ts";
import { enRelay } from "./relay_en.ts";
import { enSensors } from "./sensors_en.ts";

export const en = {
  ...enHelp,
  ...enDemoLearn,
  ...enLearnData,
  ...enLearnEpsilon,
  ...enLearnRuns,
  ...enRelay,
  ...enSensors,
  interrupted: "Interrupted.",
  error: "Error",
  diskRefuses: (cause: string) => `The disk takes nothing more: ${cause}.`,
  diskRefusesHint: "Make room on it, or choose a folder on another disk.",
  unexpected: "This is a fault of submind itself.",
  unexpectedHint: "Run again with SUBMIND_LOG_LEVEL=debug and report what it says.",
  ask: {
    yes: "Yes",
    no: "No",
    nobody: (question: string) => `Nobody is here to answer "${question}".`,
    nobodyHint: (flag: string) => `Run it in a terminal, or decide beforehand with ${flag}.`,
  },
  notRunning: {
    absent: (folder: string) => `No node is running on ${folder}.`,
    stale: (folder: string, pid: number) =>
      `No node is running on ${folder}: process ${pid} is gone, it was killed or has crashed.`,
    unreadable: (path: string, cause: string) => `Cannot read ${path}: ${cause}.`,
    hint: (data: string | undefined) =>
      `Start one with: submind up${data === undefined ? "" : ` --data ${data}`}`,
  },
  client: {
    unreachable: (url: string) => `Cannot reach the node at ${url}.`,
    /** What a node refuses, in its own words, which are English. */
    refusal: (message: string) => message,
    timedOut: (url: string) => `The node at ${url} did not answer in time.`,
    unreachableHint: (pid: number) =>
      `Its process ${pid} exists, but its gateway does not answer. Look at its output, or start it again.`,
    notOurs: (url: string) => `What answers at ${url} is not a submind node.`,
    notOursHint: "Another program may have taken the port. Start the node again: submind up",
    status: (status: number) => `The node answered with status ${status}.`,
    cutOff: "The node ended the answer before it was complete.",
    unauthenticatedHint: "The token no longer fits. Start the node again: submind up",
  },
  config: {
    hint:
      "Correct it there, or with: submind config set KEY VALUE. docs/cli.md tells how settings are found.",
    unknownKey: (where: string, key: string, near: string | null) =>
      `${where}: there is no setting "${key}".${near === null ? "" : ` Did you mean "${near}"?`}`,
    badValue: (where: string, key: string, value: string, expected: string) =>
      `${where}: ${key} is ${value}, expected ${expected}.`,
    unreadable: (file: string, cause: string) => `Cannot read ${file}: ${cause}.`,
    incomplete: (problem: string) => `Not complete yet, the node would not start: ${problem}`,
    changedMeanwhile: "The configuration changed while it was read. Try again.",
    unchanged: (file: string) => `${file} was not changed.`,
    set: (key: string, value: string, file: string) =>
      `${key} = ${value} in ${file}. A running node sees it after its next start.`,
    hidden: (key: string) => `${key} is secret. To see it: submind config get ${key} --reveal`,
    key: "Setting",
    value: "Value",
    origin: "From",
    expected: "Expected",
    isDefault: "default",
  },
  status: {
    name: "Name",
    device: "Device",
    mesh: "Mesh",
    noMesh: "none yet: add something, or run submind pair",
    role: "Role",
    members: "Members",
    peers: "Peers",
    peersOf: (up: string, seen: string) => `${up} connected, ${seen} seen`,
    blocks: "Blocks",
    withoutBody: "Without content",
    chunks: "Chunks",
    multicast: "Multicast",
    works: "works",
    worksNot: "does not work here: name peers with submind peers add",
    broker: "Broker",
    brokerOf: (server: string, present: string) => `${server}, ${present} members heard over it`,
    brokerAway: (problem: string) => `not connected: ${problem}`,
    rendezvous: "Reachable at",
    gateway: "Gateway",
    gatewayOpen: "(a login link: submind open)",
    uptime: "Up for",
    version: "Version",
    damage: "Damage",
    none: "none",
    damaged: (count: string) =>
      `${count} damaged ${count === "1" ? "row" : "rows"}, being repaired from peers`,
  },
  open: {
    validFor: (time: string) => `Good once, for ${time}, in a browser of this machine.`,
  },
  search: {
    empty: "Nothing to search for was named.",
    emptyHint: "Name at least one word, like: submind search roses",
    none: (words: string) => `Nothing found for "${words}".`,
    shown: (shown: string, total: string) =>
      `${shown} of ${total} ${total === "1" ? "hit" : "hits"}`,
  },
  peers: {
    none: "No other device has been seen yet.",
    added: (address: string) => `${address} will be tried from now on.`,
    name: "Name",
    device: "Device",
    state: "State",
    liveness: "Life sign",
    relayed: "(relayed)",
    livenesses: {
      unknown: "none yet",
      alive: "alive",
      suspect: "in doubt",
      dead: "silent",
      left: "has left",
    },
    path: "Path",
    trip: "Round trip",
    traffic: "Traffic",
    inSync: "in sync",
    stranger: "not a member",
    states: {
      idle: "idle",
      connecting: "connecting",
      handshaking: "handshaking",
      up: "connected",
      waiting: "waiting to retry",
    },
  },
  members: {
    none: "This device belongs to no mesh yet.",
    name: "Name",
    device: "Device",
    role: "Role",
    trust: "Trust",
    since: "Member since",
    permissions: "Permissions",
    self: "this device",
    isRevoked: "revoked",
    trustLevels: { low: "low", normal: "normal", high: "high" },
    unknown: (text: string) => `No member is called "${text}" or has an id that starts so.`,
    ambiguous: (text: string, count: number) => `"${text}" fits ${count} members.`,
    hint: "See them with: submind members. At least 4 characters of the id are needed.",
    nothingToChange: "Nothing to change was named.",
    nothingToChangeHint: "Name at least one of --name, --role, --trust, --permission.",
    revokeQuestion: (name: string) =>
      `Revoke ${name}? It cannot take part any more, keeps what it has already, and never comes back under this identity: only with an empty data folder, as a new device.`,
    revoked: (name: string) => `${name} is revoked.`,
  },
  interest: {
    everything: "This device keeps everything.",
    allTopics: "all topics",
    only: (topics: string, size: string) => `This device keeps ${topics}, content up to ${size}.`,
  },
  get: {
    badId: (text: string) =>
      `"${text.slice(0, 80)}" is no block id, expected 64 digits of 0-9 a-f.`,
    badIdHint: "submind search prints the ids of what it finds.",
    written: (file: string, size: string) => `${size} written to ${file}.`,
    fileExists: (file: string) => `${file} is there already; nothing was written.`,
    fileExistsHint: "Name another file, or overwrite it with --force.",
    binary: "This is no text: it would garble the terminal.",
    binaryHint: (id: string) => `Write it into a file: submind get ${id} -o FILE`,
    id: "Block",
    kind: "Kind",
    topic: "Topic",
    tags: "Tags",
    type: "Media type",
    size: "Size",
    author: "Author",
    time: "Made (claimed)",
    here: "Content here",
    replacedBy: "Replaced by",
    current: "Current version",
    removed: "removed",
    conflicts: "Written at the same time",
    yes: "yes",
    no: "no, not completely",
  },
  add: {
    progress: "Adding",
    cannotRead: (path: string, cause: string) => `Cannot add "${path}": ${cause}.`,
    cannotReadHint: 'Name a file, a folder, or "-" for standard input.',
    cannotWatchStdin: 'Cannot watch standard input: --watch needs files or folders, not "-".',
    watching: "Watching for changes. End with Ctrl-C.",
    files: (count: string) => `${count} ${count === "1" ? "file" : "files"}`,
    nothing: "nothing to add",
    added: (count: string) => `${count} ${count === "1" ? "block" : "blocks"} added`,
    superseded: (count: string) => `${count} replaced`,
    removed: (count: string) => `${count} removed`,
    unchanged: (count: string) => `${count} unchanged`,
    gone: (count: string) =>
      `  ${count} gone since they were added; their blocks stay (remove them with --prune)`,
    skipped: (count: string, why: string) => `  ${count} skipped: ${why}`,
    skipReasons: {
      hidden: "hidden (add them with --hidden)",
      ignored: "named in .gitignore or .submindignore",
      symbolicLink: "symbolic links",
      tooLarge: "larger than limits.bodyBytesMax",
      tooMany: "too many files",
      tooDeep: "too many folders inside each other",
      notAFile: "not plain files",
      unreadable: "could not be read",
      empty: "empty",
      damaged: "could not be understood",
    },
  },
  pair: {
    question: "Are the words the same on both devices?",
    scanOrType: "On the other device: scan this, or run submind pair with the code or the link.",
    validFor: (time: string, role: string) => `Valid for ${time}, once. It will join as ${role}.`,
    waiting: "Waiting for the answer on the other device…",
    bringQuestion: (blocks: string) =>
      `This device has a mesh of its own (${blocks} ${
        blocks === "1" ? "block" : "blocks"
      }, no other member). Leave it, and bring what was added here along?`,
    left: (folder: string) => `Left the old mesh; it is kept in ${folder}.`,
    keptFor: (folder: string) =>
      `What was added here is safe in ${folder}, and comes along into the next mesh this device joins or founds.`,
    brought: "What was added here before has come along.",
    stillBringing:
      "What was added here before still comes along; the node goes on with it by itself.",
    compare: (name: string, id: string) => `Compare these words with those on ${name} ${id}:`,
    completed: (name: string) => `Paired with ${name}.`,
    refused: "Not paired: somebody said that the words differ.",
    failed: (problem: string) => `Not paired: ${problem}`,
    burned:
      "Not paired: somebody entered a wrong code, so this invite is burned. Make a new one: submind pair",
    nobodyCame: "Nobody used the invite before it expired. Make a new one: submind pair",
    tookTooLong: "Not paired: no answer within ten minutes. Start again on both devices.",
  },
  leave: {
    noMesh: "This device belongs to no mesh.",
    others: (members: number) => `Cannot leave: the mesh has ${members} members.`,
    othersHint:
      "Only a mesh of this device alone can be left. Have another member revoke this device, and start with an empty data folder.",
    question: (mesh: string, blocks: string) =>
      `Leave mesh ${mesh} (${blocks} ${
        blocks === "1" ? "block" : "blocks"
      })? It is kept, but not searched any more.`,
    done: (folder: string, bring: boolean) =>
      `Left. The old mesh is kept in ${folder}.${
        bring ? " What was added here comes along into the next mesh." : ""
      }`,
    notBack:
      "The node did not come back after leaving its mesh. Nothing is lost; look at its output.",
  },
  token: {
    made: (name: string, scope: string, until: string) =>
      `For "${name}", scope ${scope}, until ${until}. Whoever has it can use it: treat it like a password.`,
    noFolder: (folder: string) => `Cannot make a token: there is no data folder ${folder}.`,
  },
  up: {
    again: "Starting anew…",
    already: (folder: string, pid: number) => `A node runs on ${folder} already (process ${pid}).`,
    alreadyHint: (url: string) =>
      `It answers at ${url}. For a second node use another --data folder.`,
    stopping: "Stopping…",
    name: "Node",
    mesh: "Mesh",
    noMesh: "none yet: add something, or run submind pair",
    open: "Open",
    reachable: "Peers use",
    data: "Data",
    stop: "Stop",
    stopKey: "Ctrl-C",
    portInUseHint:
      "Choose others with --gateway-port and --rendezvous-port (0 takes any), or stop what uses them.",
    notAllowed: (cause: string) => `Cannot start: ${cause}.`,
    notAllowedHint: (folder: string) => `Check that this user may read and write ${folder}.`,
    cannotStart: (cause: string) => `Cannot start: ${cause}`,
    failed: (cause: string) =>
      `The node stopped because restarting its parts did not help: ${cause}`,
    failedHint:
      "Nothing acknowledged is lost. Look at the log and run submind doctor, then start it again.",
  },
  events: enEvents,
  backup: {
    working: "Copying",
    done: (folder: string, size: string) => `Backup of ${size} in ${folder}.`,
    withoutKeys:
      "Careful: the key of this device is not in it. Whoever restores it on another disk is a stranger to the mesh and needs a new invite. Against a dying disk make one with --keys.",
    withKeys:
      "It holds the private key of this device: keep it as safe as a password. Never run two devices with it.",
  },
  restore: {
    working: "Restoring",
    noBackup: (folder: string) => `Cannot restore: there is no finished backup in ${folder}.`,
    noBackupHint: "Name the folder that submind backup has written.",
    stranger:
      "Careful: the key of the device that made the backup was not restored. If this folder has another key, or none yet, this device is a stranger to the mesh: stop all work with it, and restore with --keys from a backup made with --keys. Without one: start the node, run submind leave if it is alone in the mesh, else begin with an empty data folder; then have a member invite it (submind pair).",
    running: (folder: string, pid: number) =>
      `Cannot restore: a node runs on ${folder} (process ${pid}).`,
    runningHint: "Stop it first.",
    keysExist: (folder: string) => `Cannot restore keys: ${folder} holds an identity already.`,
    keysExistHint: "Use another --data folder, or leave out --keys.",
    noKeys: (folder: string) => `Cannot restore keys: there are none in ${folder}.`,
    noKeysHint: "Leave out --keys, or name a backup made with --keys.",
    question: (folder: string) => `Replace what is in ${folder}? The old state is kept beside it.`,
    done: (folder: string) =>
      `Restored into ${folder}. Let it meet another member before you add something: it may know newer blocks of yours.`,
  },
  doctor: {
    names: {
      runtime: "Runtime",
      configuration: "Configuration",
      dataFolder: "Data folder",
      identity: "Identity",
      disk: "Disk",
      node: "Node",
      gatewayPort: "Gateway port",
      rendezvousPort: "Rendezvous port",
      interfaces: "Network",
      multicast: "Multicast",
      webrtc: "WebRTC",
      broker: "NATS",
      clock: "Clock",
      memoryPages: "Memory pages",
    },
    runtimeFix: (version: string) => `Install Deno ${version} or newer.`,
    clockFix: "Set the clock (timedatectl set-ntp true): times of blocks would be wrong.",
    nodeNot: "not running",
    nodeStale: (pid: number) => `not running; process ${pid} ended without saying goodbye`,
    nodeRuns: (url: string, uptime: string, damage: number) =>
      `runs at ${url} for ${uptime}${
        damage === 0 ? "" : `, ${damage} damaged ${damage === 1 ? "row" : "rows"}`
      }`,
    nodeSilent: (pid: number, url: string) => `process ${pid} exists, but ${url} does not answer`,
    nodeSilentFix: "Look at its output; stop it and start it again.",
    nodeDamageFix: "Connect it with another member: damaged rows are fetched again.",
    notAFolder: (path: string) => `${path} is not a folder`,
    folderFix: "Choose a folder of yours with --data, or repair the permissions.",
    folderOpen: (path: string, mode: string) => `${path} has mode ${mode}: others can look into it`,
    folderLater: (path: string) => `${path} will be made at the first start`,
    keyOpen: (path: string, mode: string) => `${path} has mode ${mode}: others may have read it`,
    keyLater: "will be made at the first start",
    diskFree: (size: string) => `${size} free`,
    diskFix: "Make room: a full disk stops the node from accepting anything.",
    pagesUnknown: "not known here",
    pagesFix:
      "If the runtime crashes, boot a kernel with 4 KiB pages (Raspberry Pi 5: kernel=kernel8.img in config.txt).",
    brokerOff: "switched off by bridge.enabled",
    brokerOffFix:
      "Nothing is wrong; messages wait at devices only. To switch it on: submind config set bridge.enabled auto",
    brokerFound: (version: string, path: string) => `nats-server ${version}, ${path}`,
    brokerMissing:
      "no nats-server: no broker of this home, no MQTT, no link to hubs; all else works",
    brokerOld: (path: string, version: string) => `${path} has version ${version}`,
    brokerBad: (path: string, why: string) => `${path} cannot be used: ${why}`,
    brokerFix: (version: string) =>
      `Install nats-server ${version} or newer: from your system's packages if they are new enough, ` +
      "or with Go: go install github.com/nats-io/nats-server/v2@latest; then put it on PATH or name it in bridge.natsServer.",
    hubsWithout: "bridge.hubs is set, and bridge.hubCredentials names no file that can be read",
    hubsWithoutFix:
      "Put the site.seed of this home there (submind relay init makes it), mode 0600.",
    portFix: (key: string) =>
      `Choose another: submind config set ${key} PORT, or stop what uses it.`,
    noInterfaces: "only loopback",
    noInterfacesFix: "Connect to a network; until then this device works alone.",
    multicastOff: "switched off by discovery.multicast",
    multicastOffFix: "Name peers with: submind peers add http://ADDRESS:7464",
    multicastLocal: "only within this machine",
    noMulticast: (why: string) => `packets do not come back (${why})`,
    noMulticastFix: (group: string) =>
      `Allow UDP 5353 to ${group} in the firewall, or name peers with: submind peers add http://ADDRESS:7464`,
    unheard: "nothing came back",
    noAddon: (cause: string) => `the native library does not load: ${cause}`,
    noAddonFix:
      "The slower library without native code is used instead. See docs/troubleshooting.md.",
  },
  demo: enDemo,
  twoHomes: enTwoHomes,
  mail: enMail,
  mother: enMother,
};

type Widened<T> = T extends (...args: infer Args) => string ? (...args: Args) => string
  : T extends string ? string
  : { readonly [Key in keyof T]: Widened<T[Key]> };

/** Every text of the program. */
export type Texts = Widened<typeof en>;
