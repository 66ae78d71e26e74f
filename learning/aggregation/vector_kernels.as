// Vector arithmetic of aggregation and compression in AssemblyScript; `deno task build:kernels` compiles it into vector_kernels_wasm.ts. SIMD
// without its relaxed half: every machine gets the same bits, because rules are computed again by whoever checks a proof.
//
// Addresses are bytes, lengths are numbers of 32 bits and multiples of 4. Nothing here checks: vector_kernels.ts lays out the memory.

/** Turns the bits of floats into integers of the same order, and back. */
export function flip(at: usize, length: i32): void {
  const end = at + (<usize>length << 2);
  const most = i32x4.splat(0x7fffffff);
  for (; at < end; at += 16) {
    const word = v128.load(at);
    v128.store(at, v128.xor(word, v128.and(i32x4.shr_s(word, 31), most)));
  }
}

/** After it row a holds the smaller of each pair, row b the larger, as integers. */
export function exchange(a: usize, b: usize, length: i32): void {
  const end = a + (<usize>length << 2);
  for (; a < end; a += 16, b += 16) {
    const x = v128.load(a), y = v128.load(b);
    v128.store(a, i32x4.min_s(x, y));
    v128.store(b, i32x4.max_s(x, y));
  }
}

/** Σ (a − b)²: differences in single, squares and sums in double precision. */
export function squaredDistance(a: usize, b: usize, length: i32): f64 {
  const end = a + (<usize>length << 2);
  let low = f64x2.splat(0), high = f64x2.splat(0);
  for (; a < end; a += 16, b += 16) {
    const d = f32x4.sub(v128.load(a), v128.load(b));
    const p = f64x2.promote_low_f32x4(d);
    const q = f64x2.promote_low_f32x4(i8x16.shuffle(d, d, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15));
    low = f64x2.add(low, f64x2.mul(p, p));
    high = f64x2.add(high, f64x2.mul(q, q));
  }
  const both = f64x2.add(low, high);
  return f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
}

/** sum += factor · values; sums are doubles. */
export function accumulate(sum: usize, values: usize, factor: f64, length: i32): void {
  const end = values + (<usize>length << 2);
  const f = f64x2.splat(factor);
  for (; values < end; values += 16, sum += 32) {
    const v = v128.load(values);
    const p = f64x2.promote_low_f32x4(v);
    const q = f64x2.promote_low_f32x4(i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15));
    v128.store(sum, f64x2.add(v128.load(sum), f64x2.mul(f, p)));
    v128.store(sum, f64x2.add(v128.load(sum, 16), f64x2.mul(f, q)), 16);
  }
}

/** 0 when all numbers are finite, else NaN: each minus itself. */
export function finiteness(values: usize, length: i32): f32 {
  const end = values + (<usize>length << 2);
  let sum = f32x4.splat(0);
  for (; values < end; values += 16) {
    const v = v128.load(values);
    sum = f32x4.add(sum, f32x4.sub(v, v));
  }
  return f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1) + f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3);
}

/** Turns the signs of numbers whose bit is 1; bit i of the words (least significant first) belongs to number i. Length is a multiple of 32. */
export function turnSigns(values: usize, words: usize, length: i32): void {
  const end = values + (<usize>length << 2);
  const sign = i32x4.splat(0x80000000);
  // What number k of four is multiplied with so that its bit comes to stand first.
  const places = i32x4(8, 4, 2, 1);
  for (; values < end; words += 4) {
    const word = load<u32>(words);
    for (let k = 0; k < 32; k += 4, values += 16) {
      // Four bits, moved to the top four, then each lane's own to the very top.
      const four = i32x4.splat(<i32>((word >> k) << 28));
      v128.store(values, v128.xor(v128.load(values), v128.and(i32x4.mul(four, places), sign)));
    }
  }
}

/** Walsh–Hadamard transform in natural order of `length` numbers, a power of two of at least 4, each pass rounding to single precision. */
export function hadamard(at: usize, length: i32): void {
  const end = at + (<usize>length << 2);
  const even = i32x4(0, 0x80000000, 0, 0x80000000);
  const halves = i32x4(0, 0, 0x80000000, 0x80000000);
  for (let p = at; p < end; p += 16) {
    const v = v128.load(p);
    // (a, b, c, d) → (a + b, a − b, c + d, c − d), then over two.
    const s = f32x4.add(
      i8x16.shuffle(v, v, 0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11),
      v128.xor(i8x16.shuffle(v, v, 4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15), even),
    );
    v128.store(p, f32x4.add(
      i8x16.shuffle(s, s, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7),
      v128.xor(i8x16.shuffle(s, s, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15), halves),
    ));
  }
  hadamardFrom(at, length, 4);
}

/** The passes over distances `from` (at least 4), 2 · from, … below `length`: the rest of a transform whose stretches of `from` are done. */
export function hadamardFrom(at: usize, length: i32, from: i32): void {
  const bytes = <usize>length << 2;
  const end = at + bytes;
  let distance = <usize>from << 2;
  // One pass over pairs when the number of passes is odd.
  if ((ctz(length / from) & 1) == 1) {
    for (let group = at; group < end; group += 2 * distance) {
      const stop = group + distance;
      for (let p = group; p < stop; p += 16) {
        const a = v128.load(p), b = v128.load(p + distance);
        v128.store(p, f32x4.add(a, b));
        v128.store(p + distance, f32x4.sub(a, b));
      }
    }
    distance <<= 1;
  }
  for (; distance < bytes; distance <<= 2) {
    for (let group = at; group < end; group += distance << 2) {
      const stop = group + distance;
      for (let p = group; p < stop; p += 16) {
        const q = p + distance, r = q + distance, s = r + distance;
        const a = v128.load(p), b = v128.load(q), c = v128.load(r), d = v128.load(s);
        const ab = f32x4.add(a, b), a_b = f32x4.sub(a, b), cd = f32x4.add(c, d), c_d = f32x4.sub(c, d);
        v128.store(p, f32x4.add(ab, cd));
        v128.store(q, f32x4.add(a_b, c_d));
        v128.store(r, f32x4.sub(ab, cd));
        v128.store(s, f32x4.sub(a_b, c_d));
      }
    }
  }
}
