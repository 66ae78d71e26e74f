/** The story of the demo, step by step, with a stopwatch on each. */
import { join } from "node:path";
import type { NodeStatus } from "../../actors/handle.ts";
import type { CommandContext } from "../command.ts";
import { addDocuments } from "../ingest/add_documents.ts";
import { showMarks } from "../output/marks.ts";
import { printable } from "../output/table.ts";
import { type ChildNode, type ChildOptions, startChild } from "./child_node.ts";
import { pairNodes, tellAddresses } from "./pair_nodes.ts";
import { Teller } from "./teller.ts";
import { createView } from "./view.ts";
import { DemoError } from "./wait_for.ts";

export interface StoryOptions {
  /** Folder for the data and logs of the nodes. */
  readonly folder: string;
  /** Documents to add. */
  readonly docs: string;
  /** Whether to try multicast at all. */
  readonly multicast: boolean;
}

/** The figures of `submind demo --once --json`. */
export interface StorySummary {
  readonly nodes: number;
  /** From the start of the last node until every node has seen the two others. */
  readonly discovered_ms: number;
  /** From the last confirmed pairing until every pair of nodes has a session. */
  readonly connected_ms: number;
  /** Blocks made from the documents. */
  readonly blocks: number;
  /** From the start of adding until every node has every block. */
  readonly converged_ms: number;
  /** Hits of the search on the third node. */
  readonly hits: number;
  /** From the kill until both others have noticed. */
  readonly down_noticed_ms: number;
  /** From starting the killed node again until it has every block, those added meanwhile included. */
  readonly caught_up_ms: number;
  /** False when the nodes had to be told each other's addresses. */
  readonly multicast: boolean;
}

const NAMES = ["Alder", "Birch", "Cedar"];
/** Where multicast works nodes hear each other within a few seconds, ms. */
const DISCOVERY_TIMEOUT_MS = 10_000;
/** Between two looks at the nodes, ms. */
const LOOK_MS = 50;

/** One telling. Nodes it has started are ended by `stop`, whatever happens. */
export class Story {
  readonly #context: CommandContext;
  readonly #options: StoryOptions;
  readonly #teller: Teller;
  #nodes: ChildNode[] = [];

  constructor(context: CommandContext, options: StoryOptions) {
    this.#context = context;
    this.#options = options;
    this.#teller = new Teller(context, LOOK_MS);
  }

  get nodes(): readonly ChildNode[] {
    return this.#nodes;
  }

  /** Ends every node; harmless when they are gone. */
  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()));
  }

  /** Tells the whole story. Throws `CliError` with what was waited for when it does not go on. */
  async tell(): Promise<StorySummary> {
    const texts = this.#context.texts.demo;
    await this.#startNodes();
    const { multicast, discovered_ms } = await this.#discover();
    const [first, second, third] = this.#nodes;
    if (first === undefined || second === undefined || third === undefined) {
      throw new DemoError(texts.events.start, texts.failedHint);
    }
    const connected_ms = await this.#pairAll(first, [second, third]);
    const { blocks, converged_ms } = await this.#addDocs(first);
    const hits = await this.#search(first, third);
    const down_noticed_ms = await this.#kill(second, [first, third]);
    const caught_up_ms = await this.#comeBack(first, second, multicast);
    return {
      nodes: this.#nodes.length,
      discovered_ms,
      connected_ms,
      blocks,
      converged_ms,
      hits,
      down_noticed_ms,
      caught_up_ms,
      multicast,
    };
  }

  async #startNodes(): Promise<void> {
    const texts = this.#context.texts.demo;
    this.#teller.say("starting", { names: NAMES }, texts.starting);
    for (const name of NAMES) {
      const node = await startChild(this.#context, this.#childOptions(name));
      this.#nodes.push(node);
      const { gatewayUrl, deviceId } = node.ready;
      this.#teller.say("up", { node: name, gatewayUrl, deviceId }, texts.up(name, gatewayUrl));
    }
  }

  #childOptions(name: string): ChildOptions {
    return {
      name,
      directory: join(this.#options.folder, name.toLowerCase()),
      multicast: this.#options.multicast,
      rendezvousPort: 0,
    };
  }

  async #discover(): Promise<{ multicast: boolean; discovered_ms: number }> {
    const texts = this.#context.texts.demo;
    const { multicast } = this.#options;
    const seeEachOther = async () => {
      for (const node of this.#nodes) {
        const seen = new Set(
          (await node.client.peers()).filter((peer) => peer.sighted).map((peer) => peer.deviceId),
        );
        const all = this.#nodes.every((other) =>
          other === node || [...seen].some((id) => id === other.ready.deviceId)
        );
        if (!all) return null;
      }
      return true;
    };
    let found = false;
    const discovered_ms = await this.#teller.stopwatch(async () => {
      if (!multicast) return;
      const wait = this.#teller.wait(texts.events.discovery, DISCOVERY_TIMEOUT_MS, seeEachOther);
      found = await wait.catch((error: unknown) => {
        if (error instanceof DemoError) return false;
        throw error;
      });
    });
    if (!found) {
      this.#teller.say("noMulticast", {}, texts.noMulticast);
      const toldMs = await this.#teller.stopwatch(() => tellAddresses(this.#nodes));
      return { multicast: false, discovered_ms: toldMs };
    }
    this.#teller.say(
      "discovered",
      { ms: discovered_ms },
      texts.discovered(this.#teller.time(discovered_ms)),
    );
    return { multicast: true, discovered_ms };
  }

  async #pairAll(first: ChildNode, others: readonly ChildNode[]): Promise<number> {
    const texts = this.#context.texts.demo;
    for (const other of others) {
      const words = await pairNodes(this.#context, first, other);
      this.#teller.say(
        "paired",
        { node: other.name, words },
        texts.pairing(other.name, words.join(" ")),
      );
    }
    const connected = async () => {
      for (const node of this.#nodes) {
        const up = (await node.client.peers()).filter((peer) => peer.state === "up").length;
        if (up < this.#nodes.length - 1) return null;
      }
      return true;
    };
    const ms = await this.#teller.stopwatch(() =>
      this.#teller.wait(texts.events.connection, 30_000, connected)
    );
    this.#teller.say("connected", { ms }, texts.paired(this.#teller.time(ms)));
    return ms;
  }

  async #addDocs(node: ChildNode): Promise<{ blocks: number; converged_ms: number }> {
    const texts = this.#context.texts.demo;
    this.#teller.say(
      "adding",
      { folder: this.#options.docs },
      texts.adding(this.#options.docs, node.name),
    );
    let blocks = 0;
    const converged_ms = await this.#teller.stopwatch(async () => {
      const added = this.#add(node, this.#options.docs).then((summary) => {
        blocks = summary.added;
      });
      // Not awaited first: the others receive while we still add, and the view shows it.
      await Promise.all([added, this.#converge(texts.events.convergence, added)]);
    });
    if (blocks === 0) throw new DemoError(this.#context.texts.add.nothing, "--docs");
    const text = texts.converged(
      this.#teller.count(blocks),
      this.#teller.time(converged_ms),
    );
    this.#teller.say("converged", { blocks, ms: converged_ms }, text);
    return { blocks, converged_ms };
  }

  #add(node: ChildNode, path: string) {
    const { clock, random, interrupted } = this.#context;
    return addDocuments([{ type: "path", path }], {
      client: node.client,
      clock,
      random,
      placement: { topic: "demo", tags: ["demo"] },
      fileBytesMax: 16 * 1024 * 1024,
      hidden: false,
      prune: false,
      signal: interrupted,
      onProgress: () => undefined,
    });
  }

  /** Waits until all running nodes hold the same number of blocks, once `ready` is over. */
  async #converge(what: string, ready: Promise<unknown>): Promise<void> {
    let over = false;
    void ready.then(() => over = true, () => over = true);
    const view = createView(this.#context);
    await this.#teller.wait(what, 60_000, async () => {
      const wasOver = over;
      const statuses = await Promise.all(
        this.#nodes.map((node): Promise<NodeStatus | null> =>
          node.running() ? node.client.status() : Promise.resolve(null)
        ),
      );
      const most = Math.max(...statuses.map((status) => status?.blocks ?? 0));
      view.draw(
        this.#nodes.map((node, index) => ({ name: node.name, status: statuses[index] ?? null })),
        most,
      );
      const equal = statuses.every((status) =>
        status !== null && status.blocks === most && status.blocksWithoutPayload === 0
      );
      return wasOver && equal ? true : null;
    });
    view.end();
  }

  async #search(author: ChildNode, node: ChildNode): Promise<number> {
    const texts = this.#context.texts.demo;
    const text = await wordOf(author);
    const page = await this.#teller.wait(texts.searching(node.name, text), 15_000, async () => {
      const page = await node.client.search({ text, limit: 3, offset: 0 });
      return page.total > 0 ? page : null;
    });
    const { colors } = this.#context.output.terminal;
    const hits = page.hits.map((hit) =>
      `  ${colors.cyan(printable(hit.title))}\n    ${showMarks(hit.snippet, colors)}`
    );
    const title = texts.searching(node.name, text);
    this.#teller.say("search", { text, hits: page.total }, [title, ...hits].join("\n"));
    return page.total;
  }

  async #kill(victim: ChildNode, others: readonly ChildNode[]): Promise<number> {
    const texts = this.#context.texts.demo;
    this.#teller.say("killing", { node: victim.name }, texts.killed(victim.name));
    const noticed = async () => {
      for (const other of others) {
        const peers = await other.client.peers();
        if (peers.some((peer) => peer.deviceId === victim.ready.deviceId && peer.state === "up")) {
          return null;
        }
      }
      return true;
    };
    await victim.kill();
    const ms = await this.#teller.stopwatch(() =>
      this.#teller.wait(texts.events.down, 60_000, noticed)
    );
    this.#teller.say("downNoticed", { ms }, texts.downNoticed(this.#teller.time(ms)));
    return ms;
  }

  async #comeBack(author: ChildNode, gone: ChildNode, multicast: boolean): Promise<number> {
    const texts = this.#context.texts.demo;
    const note = join(this.#options.folder, "note.md");
    Deno.writeTextFileSync(note, `# Written meanwhile\n\nWhile ${gone.name} was away.\n`);
    this.#teller.say("meanwhile", { node: author.name }, texts.meanwhile(author.name));
    await this.#add(author, note);
    const ms = await this.#teller.stopwatch(async () => {
      const back = await startChild(this.#context, {
        ...gone.options,
        multicast,
        rendezvousPort: gone.rendezvousPort,
      });
      this.#nodes = this.#nodes.map((node) => node === gone ? back : node);
      await this.#converge(texts.events.caughtUp, Promise.resolve());
    });
    this.#teller.say(
      "caughtUp",
      { node: gone.name, ms },
      texts.caughtUp(gone.name, this.#teller.time(ms)),
    );
    return ms;
  }
}

/** A word that the documents contain: the longest one at the beginning of what was added last. */
async function wordOf(node: ChildNode): Promise<string> {
  const { blocks } = await node.client.blocks({ topic: "demo", currentOnly: true, limit: 20 });
  const preview = blocks.find((block) => block.preview !== null)?.preview ?? "";
  const words = preview.match(/\p{L}{4,20}/gu) ?? [];
  return words.reduce((best, word) => word.length > best.length ? word : best, "mesh");
}
