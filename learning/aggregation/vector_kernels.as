// Vector arithmetic of aggregation, compression and masks in AssemblyScript; `deno task build:kernels` compiles it into vector_kernels_wasm.ts. SIMD
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

/**
 * Distances of all pairs of `rows` rows, which lie `stride` bytes apart from `tile` on: Σ (a − b)² of rows i < j is added to double i · rows + j of `matrix`.
 * Differences, squares and sums of up to 256 numbers in single, sums of these in double precision.
 *
 * Pairs go four by two, so that six loads serve eight of them.
 */
export function pairDistances(tile: usize, stride: usize, rows: i32, length: i32, matrix: usize): void {
  for (let from = 0; from < length; from += 256) {
    const part = tile + (<usize>from << 2);
    const bytes = <usize>min(length - from, 256) << 2;
    let i = 0;
    for (; i + 4 <= rows; i += 4) {
      const a = part + <usize>i * stride;
      const to = matrix + (<usize>(i * rows) << 3);
      let j = i + 4;
      for (; j + 2 <= rows; j += 2) {
        distances4x2(a, part + <usize>j * stride, stride, bytes, to + (<usize>j << 3), <usize>rows << 3);
      }
      if (j < rows) {
        for (let k = 0; k < 4; k++) {
          addDouble(to + (<usize>(k * rows + j) << 3), distance(a + <usize>k * stride, part + <usize>j * stride, bytes));
        }
      }
      for (let k = 0; k < 4; k++) {
        for (let l = k + 1; l < 4; l++) {
          addDouble(to + (<usize>(k * rows + i + l) << 3), distance(a + <usize>k * stride, a + <usize>l * stride, bytes));
        }
      }
    }
    for (; i < rows; i++) {
      for (let j = i + 1; j < rows; j++) {
        addDouble(matrix + (<usize>(i * rows + j) << 3), distance(part + <usize>i * stride, part + <usize>j * stride, bytes));
      }
    }
  }
}

/** Sum of the four numbers of a vector, in double precision. */
function total(v: v128): f64 {
  const both = f64x2.add(
    f64x2.promote_low_f32x4(v),
    f64x2.promote_low_f32x4(i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15)),
  );
  return f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
}

function addDouble(at: usize, value: f64): void {
  store<f64>(at, load<f64>(at) + value);
}

/** One pair of at most 256 numbers. Adds as `distances4x2` does. */
function distance(a: usize, b: usize, bytes: usize): f64 {
  let sum = f32x4.splat(0);
  for (const end = a + bytes; a < end; a += 16, b += 16) {
    const d = f32x4.sub(v128.load(a), v128.load(b));
    sum = f32x4.add(sum, f32x4.mul(d, d));
  }
  return total(sum);
}

function distances4x2(a: usize, b: usize, stride: usize, bytes: usize, to: usize, next: usize): void {
  const a1 = a + stride, a2 = a1 + stride, a3 = a2 + stride, b1 = b + stride;
  let s00 = f32x4.splat(0), s01 = f32x4.splat(0), s10 = f32x4.splat(0), s11 = f32x4.splat(0);
  let s20 = f32x4.splat(0), s21 = f32x4.splat(0), s30 = f32x4.splat(0), s31 = f32x4.splat(0);
  for (let at: usize = 0; at < bytes; at += 16) {
    const y0 = v128.load(b + at), y1 = v128.load(b1 + at);
    let x = v128.load(a + at);
    let d = f32x4.sub(x, y0), e = f32x4.sub(x, y1);
    s00 = f32x4.add(s00, f32x4.mul(d, d));
    s01 = f32x4.add(s01, f32x4.mul(e, e));
    x = v128.load(a1 + at);
    d = f32x4.sub(x, y0), e = f32x4.sub(x, y1);
    s10 = f32x4.add(s10, f32x4.mul(d, d));
    s11 = f32x4.add(s11, f32x4.mul(e, e));
    x = v128.load(a2 + at);
    d = f32x4.sub(x, y0), e = f32x4.sub(x, y1);
    s20 = f32x4.add(s20, f32x4.mul(d, d));
    s21 = f32x4.add(s21, f32x4.mul(e, e));
    x = v128.load(a3 + at);
    d = f32x4.sub(x, y0), e = f32x4.sub(x, y1);
    s30 = f32x4.add(s30, f32x4.mul(d, d));
    s31 = f32x4.add(s31, f32x4.mul(e, e));
  }
  addDouble(to, total(s00));
  addDouble(to + 8, total(s01));
  addDouble(to + next, total(s10));
  addDouble(to + next + 8, total(s11));
  to += next << 1;
  addDouble(to, total(s20));
  addDouble(to + 8, total(s21));
  addDouble(to + next, total(s30));
  addDouble(to + next + 8, total(s31));
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

/** target += words, modulo 2^32. */
export function addWords(target: usize, words: usize, length: i32): void {
  for (const end = target + (<usize>length << 2); target < end; target += 16, words += 16) {
    v128.store(target, i32x4.add(v128.load(target), v128.load(words)));
  }
}

/** target −= words, modulo 2^32. */
export function subtractWords(target: usize, words: usize, length: i32): void {
  for (const end = target + (<usize>length << 2); target < end; target += 16, words += 16) {
    v128.store(target, i32x4.sub(v128.load(target), v128.load(words)));
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
