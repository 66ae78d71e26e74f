/** How a common data set is cut among devices: exact counts, known statistics, the same on every device. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { dirichlet, logGamma, normal, sample } from "../../learning/data/draws.ts";
import { type Cut, partition, shareOf } from "../../learning/data/partition.ts";
import { seededStream } from "../../learning/data/seeded_stream.ts";
import { randomContract } from "../contracts/random_contract.ts";

const seed = (text: string) => {
  const bytes = new Uint8Array(32);
  bytes.set(new TextEncoder().encode(text));
  return bytes;
};

/** As many of each digit as MNIST's training set has. */
const MNIST_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];
const mnistLabels = () => {
  const labels = new Uint8Array(60_000);
  let at = 0;
  MNIST_COUNTS.forEach((count, digit) => labels.fill(digit, at, at += count));
  // A fixed order that has nothing to do with the labels: 7,919 is prime and does not divide 60,000.
  return labels.map((_, i) => labels[i * 7_919 % 60_000]!);
};

randomContract("seeded stream", () => seededStream(seed("contract")));

Deno.test("the stream is ChaCha20's (RFC 8439, A.1, test vectors 1 and 2)", () => {
  const random = seededStream(new Uint8Array(32));
  assert.equal(
    random.bytes(128).toHex(),
    "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7" +
      "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586" +
      "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed" +
      "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f",
  );
});

Deno.test("the stream goes on over the end of its buffer, and forks follow from seed and label", () => {
  const [one, two] = [seededStream(seed("a")), seededStream(seed("a"))];
  const parts = Uint8Array.from([...one.bytes(4_000), ...one.bytes(4_000)]);
  assert.deepEqual(two.bytes(8_000), parts);
  assert.deepEqual(one.fork("x").bytes(32), seededStream(seed("a")).fork("x").bytes(32));
  assert.notDeepEqual(one.fork("x").bytes(32), one.fork("y").bytes(32));
  assert.throws(() => seededStream(new Uint8Array(31)), /seed of 31 bytes/);
});

Deno.test("every cut gives each example to at most one device, all devices equally many", () => {
  fc.assert(
    fc.property(
      fc.constantFrom<Cut["kind"]>("iid", "shards", "dirichlet"),
      fc.integer({ min: 1, max: 40 }),
      fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 80, maxLength: 300 }),
      fc.integer(),
      fc.constantFrom(0.001, 0.1, 1, 100),
      (kind, count, labels, number, alpha) => {
        const cut = { kind, count, seed: seed(String(number)), alpha };
        const parts = partition(Uint8Array.from(labels), cut);
        assert.equal(parts.length, count);
        const all = parts.flatMap((part) => [...part]);
        assert.equal(new Set(all).size, all.length);
        assert.ok(all.every((example) => example < labels.length));
        const each = kind === "shards"
          ? 2 * Math.floor(labels.length / (2 * count))
          : Math.floor(labels.length / count);
        assert.ok(parts.every((part) => part.length === each));
        assert.deepEqual(partition(Uint8Array.from(labels), cut), parts);
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("other seeds give other cuts", () => {
  const labels = mnistLabels();
  for (const kind of ["iid", "shards", "dirichlet"] as const) {
    const cuts = ["a", "b"].map((text) =>
      partition(labels, { kind, count: 100, seed: seed(text) })
    );
    assert.notDeepEqual(cuts[0], cuts[1]);
  }
});

Deno.test("IID: 100 devices have 600 pictures each, with all digits about as often as everywhere", () => {
  const labels = mnistLabels();
  const parts = partition(labels, { kind: "iid", count: 100, seed: seed("iid") });
  assert.equal(parts.length, 100);
  let chi = 0;
  for (const part of parts) {
    assert.equal(part.length, 600);
    countsOf(labels, part).forEach((count, digit) => {
      const expected = MNIST_COUNTS[digit]! / 100;
      chi += (count - expected) ** 2 / expected;
    });
  }
  // About 99 × 9 = 891 degrees of freedom, standard deviation 42: six of them either way.
  assert.ok(chi > 640 && chi < 1_145, `chi-squared ${chi}`);
});

Deno.test("shards: 200 of 300 pictures, two for each device, most devices see two digits", () => {
  const labels = mnistLabels();
  const parts = partition(labels, { kind: "shards", count: 100, seed: seed("shards") });
  const digits = parts.map((part) => countsOf(labels, part).filter((count) => count > 0).length);
  assert.ok(parts.every((part) => part.length === 600));
  // Nine borders between digits lie inside shards; a shard has at most two digits, so a device at most four.
  assert.ok(digits.every((count) => count >= 1 && count <= 4));
  const atMostTwo = digits.filter((count) => count <= 2).length;
  assert.ok(atMostTwo >= 91, `${atMostTwo} devices with at most two digits`);
  // By chance about one device in ten gets two shards of one digit.
  const one = digits.filter((count) => count === 1).length;
  assert.ok(one >= 1 && one <= 25, `${one} devices with one digit`);
  assert.equal(new Set(parts.flatMap((part) => [...part])).size, 60_000);
});

Deno.test("Dirichlet: small alpha gives one digit, large alpha all of them, as Hsu et al. draw it", () => {
  const labels = mnistLabels();
  const largest = (alpha: number) => {
    const parts = partition(labels, { kind: "dirichlet", count: 100, seed: seed("d"), alpha });
    const shares = parts.map((part) => Math.max(...countsOf(labels, part)) / part.length);
    return shares.reduce((sum, share) => sum + share, 0) / shares.length;
  };
  const [tiny, half, one, large] = [0.01, 0.5, 1, 1_000].map(largest);
  assert.ok(tiny! > 0.9, `${tiny}`);
  assert.ok(large! < 0.14, `${large}`);
  // The mean of the largest of ten shares for alpha = 1 is H(10) / 10 = 0.293 (broken stick).
  assert.ok(Math.abs(one! - 0.293) < 0.03, `${one}`);
  assert.ok(half! > one! && half! < tiny!, `${half}`);
});

Deno.test("a device that asks for its share gets the same as in the whole cut", () => {
  const labels = mnistLabels();
  const cut = { kind: "shards", count: 50, seed: seed("share") } as const;
  const parts = partition(labels, cut);
  for (const index of [0, 17, 49]) {
    assert.deepEqual(shareOf(labels, { ...cut, index }), parts[index]);
  }
  assert.throws(() => shareOf(labels, { ...cut, index: 50 }), /share 50 of 50: expected 0 to 49/);
  assert.throws(() => shareOf(labels, { ...cut, count: 0, index: 0 }), /for 0 devices/);
  assert.throws(
    () => partition(labels.subarray(0, 50), { ...cut, count: 40 }),
    /50 examples into 80/,
  );
  assert.throws(
    () => partition(labels, { kind: "dirichlet", count: 2, seed: seed(""), alpha: 0 }),
    /alpha 0/,
  );
});

Deno.test("the distributions have the moments they must have", () => {
  const random = seededStream(seed("moments"));
  const moments = (draw: () => number, count = 20_000) => {
    const values = Array.from({ length: count }, draw);
    const mean = values.reduce((sum, value) => sum + value, 0) / count;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
    return { mean, variance };
  };
  const standard = moments(() => normal(random));
  assert.ok(Math.abs(standard.mean) < 0.04 && Math.abs(standard.variance - 1) < 0.06);
  for (const shape of [0.3, 1, 4.5]) {
    const { mean, variance } = moments(() => Math.exp(logGamma(shape, random)));
    // Mean and variance of Gamma(shape, 1) are both shape; five standard errors.
    assert.ok(Math.abs(mean - shape) < 5 * Math.sqrt(shape / 20_000), `mean ${mean} of ${shape}`);
    assert.ok(Math.abs(variance / shape - 1) < 0.2, `variance ${variance} of ${shape}`);
  }
  const shares = moments(() => dirichlet([1, 2, 7], random)[1]!);
  // Beta(2, 8): mean 0.2, variance 16 / 1100.
  assert.ok(Math.abs(shares.mean - 0.2) < 0.005 && Math.abs(shares.variance - 16 / 1_100) < 0.001);
  const tiny = dirichlet([0.001, 0.001], random);
  assert.ok(Math.abs(tiny[0]! + tiny[1]! - 1) < 1e-12);
});

Deno.test("a sample has different numbers, each as likely as any other", () => {
  const random = seededStream(seed("sample"));
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 5_000; i++) {
    const drawn = sample(10, 3, random);
    assert.equal(new Set(drawn).size, 3);
    for (const number of drawn) counts[number]!++;
  }
  // 1,500 expected, standard deviation 32.
  assert.ok(counts.every((count) => Math.abs(count - 1_500) < 200), String(counts));
  assert.throws(() => sample(3, 4, random), /4 different numbers below 3/);
});

function countsOf(labels: Uint8Array, part: Uint32Array): readonly number[] {
  const counts = new Array<number>(10).fill(0);
  for (const example of part) counts[labels[example]!]!++;
  return counts;
}
