import assert from "node:assert/strict";
import fc from "fast-check";
import { seededRandom } from "../../../platform/seeded_random.ts";
import type { BlockId, DeviceId } from "../../../protocols/ids.ts";
import type { GossipMessage, Head } from "../../../protocols/gossip/messages.ts";
import {
  AUTHORS_MAX,
  EXPECTED_MS,
  LAZY_FANOUT,
  MISSING_MAX,
  MISSING_MS,
  Plumtree,
  RECENT_MS,
} from "../../../protocols/gossip/plumtree.ts";

const dice = seededRandom("plumtree");
const device = (number: number): DeviceId => `device ${number}` as DeviceId;
const [a, b, c] = [device(1), device(2), device(3)];

function head(author: DeviceId, sequence: number, hops = 0): Head {
  return { author, sequence, head: `${author} ${sequence}` as BlockId, hops };
}

function treeWith(...peers: readonly DeviceId[]): Plumtree {
  const tree = new Plumtree();
  for (const peer of peers) tree.peerUp(peer);
  return tree;
}

Deno.test("news goes to everybody in the tree, but not to those it came from", () => {
  const tree = treeWith(a, b, c);
  assert.equal(tree.announced(a, [head(a, 1)], 0), false);
  tree.stored(head(a, 1), a, 1);
  assert.deepEqual(tree.takeEager(), [b, c].map((peer) => ({ peer, heads: [head(a, 1, 1)] })));
  assert.deepEqual(tree.takeEager(), []);
});

Deno.test("whoever announces what was announced already leaves the tree, and is not told", () => {
  const tree = treeWith(a, b, c);
  tree.announced(a, [head(a, 1)], 0);
  assert.equal(tree.announced(b, [head(a, 1)], 1), true);
  assert.deepEqual([...tree.lazy], [b]);
  tree.stored(head(a, 1), a, 2);
  assert.deepEqual(tree.takeEager().map(({ peer }) => peer), [c]);
  assert.equal(tree.announced(c, [head(a, 1)], 3), true);
  assert.deepEqual([...tree.eager], [a]);
});

Deno.test("old news of somebody who catches up costs it no place in the tree", () => {
  const tree = treeWith(a, b);
  tree.announced(a, [head(a, 5)], 0);
  tree.stored(head(a, 5), a, 1);
  assert.equal(tree.announced(b, [head(a, 3)], RECENT_MS), false);
  assert.deepEqual([...tree.eager], [a, b]);
  assert.equal(tree.announced(b, [head(a, 3)], RECENT_MS - 1), true);
});

Deno.test("what came beside the tree, by sync, costs nobody who announces it the place in the tree", () => {
  const tree = treeWith(a, b);
  tree.stored(head(a, 5), c, 0);
  assert.equal(tree.announced(b, [head(a, 5)], 1), false);
  assert.deepEqual([...tree.eager], [a, b]);
});

Deno.test("an announcement that nothing follows from does not stand in the way of another", () => {
  const tree = treeWith(a, b);
  tree.announced(a, [head(c, 1_000_000)], 0);
  assert.equal(tree.announced(b, [head(c, 1_000_000)], EXPECTED_MS), false);
  assert.deepEqual([...tree.eager], [a, b]);
});

Deno.test("what a peer has and does not come along the tree is pulled from it, and it joins the tree", () => {
  const tree = treeWith(a, b);
  tree.pruned(b);
  assert.deepEqual(tree.had(b, [head(c, 1)], 0), { here: [], longerWay: null });
  assert.equal(tree.dueMs, MISSING_MS);
  assert.deepEqual(tree.takeMissing(MISSING_MS - 1), []);
  assert.deepEqual(tree.takeMissing(MISSING_MS), [{ peer: b, heads: [head(c, 1)] }]);
  assert.deepEqual([...tree.eager], [a, b]);
  // It did not answer, and nobody else has it: sync goes on.
  assert.deepEqual(tree.takeMissing(2 * MISSING_MS), []);
  assert.equal(tree.dueMs, null);
});

Deno.test("what comes along the tree in time is not pulled", () => {
  const tree = treeWith(a, b);
  tree.pruned(b);
  tree.had(b, [head(c, 1)], 0);
  tree.announced(a, [head(c, 1)], 1);
  assert.deepEqual(tree.takeMissing(MISSING_MS), []);
  tree.stored(head(c, 1), a, MISSING_MS + 1);
  assert.equal(tree.dueMs, null);
  assert.deepEqual([...tree.lazy], [b]);
});

Deno.test("when the session goes from which something was to come, the next one that has it is asked", () => {
  const tree = treeWith(a, b);
  tree.pruned(b);
  tree.announced(a, [head(c, 1)], 0);
  tree.had(b, [head(c, 1)], 1);
  assert.equal(tree.peerDown(a, dice), b);
  assert.deepEqual(tree.takeMissing(1 + MISSING_MS), [{ peer: b, heads: [head(c, 1)] }]);
});

Deno.test("a lost session of the tree is replaced by one beside it, a lost one beside it is not", () => {
  const tree = treeWith(a, b, c);
  tree.pruned(b);
  tree.pruned(c);
  assert.equal(tree.peerDown(c, dice), null);
  assert.equal(tree.peerDown(a, dice), b);
  assert.deepEqual([...tree.eager], [b]);
  assert.equal(tree.peerDown(b, dice), null);
});

Deno.test("a much shorter way beside the tree takes the place of the longer one", () => {
  const tree = treeWith(a, b);
  tree.pruned(b);
  tree.announced(a, [head(c, 1, 3)], 0);
  tree.stored(head(c, 1), a, 1);
  assert.equal(tree.had(b, [head(c, 1, 2)], 2).longerWay, null);
  assert.equal(tree.had(b, [head(c, 1, 1)], 2).longerWay, a);
  assert.deepEqual([[...tree.eager], [...tree.lazy]], [[b], [a]]);
});

Deno.test("beside the tree a few are told, however many there are", () => {
  const peers = Array.from({ length: 30 }, (_, i) => device(i));
  const tree = treeWith(...peers);
  for (const peer of peers) tree.pruned(peer);
  tree.stored(head(device(99), 1), null, 0);
  assert.deepEqual(tree.takeEager(), []);
  assert.equal(tree.takeLazy(dice).length, LAZY_FANOUT);
});

Deno.test("a peer that invents authors fills a bounded memory", () => {
  const tree = treeWith(a, b);
  for (let i = 0; i < 3 * AUTHORS_MAX; i++) {
    tree.announced(a, [head(device(i), 1)], i);
    tree.had(b, [head(device(i), 2)], i);
  }
  assert.deepEqual(tree.size, { authors: AUTHORS_MAX, missing: MISSING_MAX });
});

Deno.test("strangers change nothing", () => {
  const tree = treeWith(a);
  assert.equal(tree.announced(b, [head(b, 1)], 0), false);
  tree.had(b, [head(b, 1)], 0);
  tree.pruned(b);
  tree.grafted(b);
  assert.deepEqual([[...tree.eager], [...tree.lazy], tree.dueMs], [[a], [], null]);
});

/** Trees of several devices and the messages between them, in order per direction and otherwise in any order. */
class Mesh {
  readonly trees: Plumtree[];
  readonly held: Set<string>[];
  announcements = 0;
  readonly #random;
  readonly #nowMs = 0;
  /** What is under way, by direction; blocks that are being pulled, by device. */
  readonly #queues = new Map<string, (() => void)[]>();

  constructor(readonly edges: readonly (readonly [number, number])[], count: number, seed: number) {
    this.#random = seededRandom(seed);
    this.trees = Array.from({ length: count }, () => new Plumtree());
    this.held = this.trees.map(() => new Set());
    for (const [from, to] of edges) {
      this.trees[from]!.peerUp(device(to));
      this.trees[to]!.peerUp(device(from));
    }
  }

  publish(author: number, sequence: number): void {
    this.#store(author, head(device(author), sequence), null);
    this.settle();
  }

  /** Everybody tells some beside the tree. */
  tellOthers(): void {
    for (const [from, tree] of this.trees.entries()) {
      for (const { peer, heads } of tree.takeLazy(this.#random)) {
        this.#send(from, peer, { type: "have", heads });
      }
    }
    this.settle();
  }

  settle(): void {
    while (this.#queues.size > 0) {
      const names = [...this.#queues.keys()];
      const name = names[this.#random.below(names.length)]!;
      const queue = this.#queues.get(name)!;
      const next = queue.shift()!;
      if (queue.length === 0) this.#queues.delete(name);
      next();
    }
  }

  #store(at: number, { author, sequence, head: id }: Head, source: DeviceId | null): void {
    if (this.held[at]!.has(id)) return;
    this.held[at]!.add(id);
    this.trees[at]!.stored({ author, sequence, head: id }, source, this.#nowMs);
    for (const { peer, heads } of this.trees[at]!.takeEager()) {
      this.announcements += 1;
      this.#send(at, peer, { type: "announce", heads });
    }
  }

  #send(from: number, peer: DeviceId, message: GossipMessage): void {
    const to = numberOf(peer);
    this.#later(`${from} to ${to}`, () => this.#receive(to, device(from), message));
  }

  #receive(at: number, from: DeviceId, message: GossipMessage): void {
    const tree = this.trees[at]!;
    switch (message.type) {
      case "announce":
        if (tree.announced(from, message.heads, this.#nowMs)) {
          this.#send(at, from, { type: "prune" });
        }
        // Sync asks the first one that has it.
        for (const told of message.heads) {
          this.#later(`pull ${at}`, () => this.#store(at, told, from));
        }
        return;
      case "have": {
        const { longerWay } = tree.had(from, message.heads, this.#nowMs);
        if (longerWay === null) return;
        this.#send(at, from, { type: "graft" });
        return this.#send(at, longerWay, { type: "prune" });
      }
      case "prune":
        return tree.pruned(from);
      case "graft":
        return tree.grafted(from);
    }
  }

  #later(name: string, happen: () => void): void {
    const queue = this.#queues.get(name);
    if (queue === undefined) this.#queues.set(name, [happen]);
    else queue.push(happen);
  }
}

function numberOf(peer: DeviceId): number {
  return Number(peer.slice("device ".length));
}

/** Connected, with as many further sessions as chance wants. */
const graphs = fc.integer({ min: 2, max: 12 }).chain((count) =>
  fc.record({
    count: fc.constant(count),
    parents: fc.array(fc.nat(), { minLength: count - 1, maxLength: count - 1 }),
    more: fc.array(fc.tuple(fc.nat(count - 1), fc.nat(count - 1)), { maxLength: 40 }),
    authors: fc.array(fc.nat(count - 1), { minLength: 1, maxLength: 6 }),
    seed: fc.nat(),
  })
);

function edgesOf(
  parents: readonly number[],
  more: readonly (readonly [number, number])[],
): readonly (readonly [number, number])[] {
  const edges = new Map<string, readonly [number, number]>();
  const all = [...parents.map((parent, i) => [parent % (i + 1), i + 1] as const), ...more];
  for (const [x, y] of all) {
    if (x !== y) edges.set([Math.min(x, y), Math.max(x, y)].join(), [x, y]);
  }
  return [...edges.values()];
}

Deno.test("after the first block a tree is left: every further one costs n − 1 announcements and reaches everybody", () => {
  fc.assert(
    fc.property(graphs, ({ count, parents, more, authors, seed }) => {
      const mesh = new Mesh(edgesOf(parents, more), count, seed);
      mesh.publish(0, 1);
      for (const [i, author] of authors.entries()) {
        // Ways that are much shorter take the place of longer ones; a tree it remains.
        mesh.tellOthers();
        mesh.announcements = 0;
        mesh.publish(author, i + 2);
        assert.ok(mesh.held.every(({ size }) => size === i + 2), "a block did not reach everybody");
        assert.equal(mesh.announcements, count - 1);
      }
    }),
    { seed: 7, numRuns: 300 },
  );
});

Deno.test("whatever happens, each session is either in the tree or beside it, and nobody else is spoken to", () => {
  const peer = fc.nat(4).map(device);
  const heads = fc.array(
    fc.record({ author: fc.nat(3).map(device), sequence: fc.integer({ min: 1, max: 5 }) }).map((
      { author, sequence },
    ) => head(author, sequence)),
    { maxLength: 4 },
  );
  const step = fc.tuple(
    fc.constantFrom("up", "down", "announce", "have", "prune", "graft", "store", "flush"),
    peer,
    heads,
    fc.nat(1_000),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const tree = new Plumtree();
      const up = new Set<DeviceId>();
      let nowMs = 0;
      for (const [what, from, heads, passedMs] of steps) {
        nowMs += passedMs;
        const spokenTo: DeviceId[] = [];
        if (what === "up") (up.add(from), tree.peerUp(from));
        if (what === "down") {
          up.delete(from);
          const instead = tree.peerDown(from, dice);
          if (instead !== null) spokenTo.push(instead);
        }
        if (what === "announce" && tree.announced(from, heads, nowMs)) spokenTo.push(from);
        if (what === "have") {
          const { longerWay } = tree.had(from, heads, nowMs);
          if (longerWay !== null) spokenTo.push(longerWay, from);
        }
        if (what === "prune") tree.pruned(from);
        if (what === "graft") tree.grafted(from);
        if (what === "store") {
          for (const told of heads) tree.stored(told, up.has(from) ? from : null, nowMs);
        }
        if (what === "flush") {
          const told = [
            ...tree.takeEager(),
            ...tree.takeLazy(dice),
            ...tree.takeMissing(nowMs),
          ];
          spokenTo.push(...told.map(({ peer }) => peer));
        }
        assert.deepEqual(new Set([...tree.eager, ...tree.lazy]), up);
        assert.ok([...tree.eager].every((peer) => !tree.lazy.has(peer)));
        assert.ok(spokenTo.every((peer) => up.has(peer)));
      }
    }),
    { seed: 8, numRuns: 500 },
  );
});
