// The arithmetic of the training engine in AssemblyScript. The tiles (forwardTile, gradientTile, backwardTile) are written by
// kernel_tiles.ts and come after this text; `deno task build:kernels` compiles both into kernels_wasm.ts.
//
// Addresses and distances are bytes, counts are numbers (of 32 bits) unless a comment says otherwise. Columns come in eights; what is added to
// fill up eight is zero and stays zero. Nothing here checks: engine.ts lays out memory so that every address is in it.

/** a · b + c. With relaxed SIMD this is one instruction with one rounding where the processor has it; the same on one machine always. */
@inline function madd(a: v128, b: v128, c: v128): v128 {
  if (isDefined(RELAXED)) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** Rows of the tile at hand: tiles are of nearly the same height, because a last one of one row would waste registers. */
@inline function tileRows(left: i32, tiles: i32): i32 {
  return (left + tiles - 1) / tiles;
}

/**
 * C = start + A · W over a grid of outer × inner rows. Row (y, x) of A begins at a + y · aOuter + x · aRow and consists of `runs` pieces of
 * `run` numbers, runStride apart: for a dense layer one piece, for a convolution one per row of the filter. `start` is 0 for zero, or where
 * C's first row gets its values from, startOuter and startRow apart (a bias: 0 apart; C itself: as C).
 */
export function forward(
  a: usize, aOuter: usize, aRow: usize, outer: i32, inner: i32, runs: i32, run: i32, runStride: usize,
  w: usize, panelBytes: usize, panels: i32, start: usize, startOuter: usize, startRow: usize,
  c: usize, cOuter: usize, cRow: usize,
): void {
  for (; panels > 0; panels--) {
    let ay = a, sy = start, cy = c;
    for (let y = 0; y < outer; y++) {
      let ax = ay, sx = sy, cx = cy, left = inner;
      for (let tiles = (inner + TILE_ROWS_MAX - 1) / TILE_ROWS_MAX; tiles > 0; tiles--) {
        const rows = tileRows(left, tiles);
        forwardTile(rows, ax, aRow, runs, run, runStride, w, sx, startRow, cx, cRow);
        ax += <usize>rows * aRow;
        sx += <usize>rows * startRow;
        cx += <usize>rows * cRow;
        left -= rows;
      }
      ay += aOuter;
      sy += startOuter;
      cy += cOuter;
    }
    w += panelBytes;
    c += 32;
    if (start != 0) start += 32;
  }
}

/**
 * G += scale · Aᵀ · B over a grid of outer × inner places: the gradient of weights in panels. The weights' rows are `runs` pieces of `run`,
 * whose numbers in A begin runStride apart.
 */
export function gradient(
  a: usize, aOuter: usize, aInner: usize, runs: i32, run: i32, runStride: usize,
  b: usize, bOuter: usize, bInner: usize, outer: i32, inner: i32,
  g: usize, panelBytes: usize, panels: i32, scale: f32,
): void {
  for (; panels > 0; panels--) {
    let ak = a, gk = g;
    for (let k = 0; k < runs; k++) {
      let ai = ak, left = run;
      for (let tiles = (run + TILE_ROWS_MAX - 1) / TILE_ROWS_MAX; tiles > 0; tiles--) {
        const rows = tileRows(left, tiles);
        gradientTile(rows, ai, aOuter, aInner, b, bOuter, bInner, outer, inner, gk, scale);
        ai += <usize>rows << 2;
        gk += <usize>rows << 5;
        left -= rows;
      }
      ak += runStride;
    }
    b += 32;
    g += panelBytes;
  }
}

/** C = D · Wᵀ: what the loss says about a dense layer's `inputs` inputs (even). */
export function backward(
  d: usize, dRow: usize, rows: i32, w: usize, panelBytes: usize, panels: i32, inputs: i32, c: usize, cRow: usize,
): void {
  for (let i = 0; i < inputs; i += 2) {
    let dr = d, cr = c, left = rows;
    for (let tiles = (rows + TILE_ROWS_MAX - 1) / TILE_ROWS_MAX; tiles > 0; tiles--) {
      const height = tileRows(left, tiles);
      backwardTile(height, dr, dRow, w, panelBytes, panels, cr, cRow);
      dr += <usize>height * dRow;
      cr += <usize>height * cRow;
      left -= height;
    }
    w += 64;
    c += 8;
  }
}

/**
 * The weights of the convolution that leads back: turned by 180 degrees, inputs and outputs exchanged. From panels of `filters` columns with
 * size² · channels rows to panels of `channels` columns with size² · filters rows; both counts are multiples of eight.
 */
export function turn(w: usize, out: usize, places: i32, channels: i32, filters: i32): void {
  const panel = <usize>(places * channels) << 5;
  for (let c = 0; c < channels; c += 8) {
    for (let place = places - 1; place >= 0; place--) {
      let from = w + (<usize>(place * channels + c) << 5);
      for (let f = 0; f < filters; f += 8) {
        for (let k: usize = 0; k < 8; k++) {
          for (let n: usize = 0; n < 8; n++) {
            store<f32>(out + (n << 2), load<f32>(from + (n << 5) + (k << 2)));
          }
          out += 32;
        }
        from += panel;
      }
    }
  }
}

/** Copies images of rows × rowBytes into ones with a border, whose rows are outRowBytes apart; `out` is where the first image's inside begins. */
export function inset(from: usize, out: usize, images: i32, rows: i32, rowBytes: usize, outRowBytes: usize, outImageBytes: usize): void {
  for (let i = 0; i < images; i++) {
    let to = out;
    for (let y = 0; y < rows; y++) {
      memory.copy(to, from, rowBytes);
      from += rowBytes;
      to += outRowBytes;
    }
    out += outImageBytes;
  }
}

/** x = max(x, 0) over `count` numbers (a multiple of four); NaN stays. */
export function relu(x: usize, count: i32): void {
  const zero = f32x4.splat(0);
  for (const end = x + (<usize>count << 2); x < end; x += 16) {
    v128.store(x, f32x4.pmax(v128.load(x), zero));
  }
}

/** d = 0 where y, what ReLU gave, is not positive. */
export function reluBackward(d: usize, y: usize, count: i32): void {
  const zero = f32x4.splat(0);
  for (const end = d + (<usize>count << 2); d < end; d += 16, y += 16) {
    v128.store(d, v128.and(v128.load(d), f32x4.gt(v128.load(y), zero)));
  }
}

/** y += x over `count` numbers (a multiple of four). */
export function add(x: usize, y: usize, count: i32): void {
  for (const end = x + (<usize>count << 2); x < end; x += 16, y += 16) {
    v128.store(y, f32x4.add(v128.load(y), v128.load(x)));
  }
}

/** g += scale · (sum of d's rows); columns are a multiple of eight. */
export function biasGradient(d: usize, rows: i32, columns: i32, g: usize, scale: f32): void {
  const row = <usize>columns << 2, by = f32x4.splat(scale);
  for (let j: usize = 0; j < row; j += 32) {
    let x = f32x4.splat(0), y = x, p = d + j;
    for (let i = 0; i < rows; i++) {
      x = f32x4.add(x, v128.load(p));
      y = f32x4.add(y, v128.load(p, 16));
      p += row;
    }
    v128.store(g + j, madd(x, by, v128.load(g + j)));
    v128.store(g + j, madd(y, by, v128.load(g + j, 16)), 16);
  }
}

/** Largest of each 2×2 window; `rows` and `columns` are those of x, pixels are `pixel` bytes. */
export function maxPool(x: usize, y: usize, images: i32, rows: i32, columns: i32, pixel: usize): void {
  const line = <usize>columns * pixel;
  for (let pair = images * rows / 2; pair > 0; pair--) {
    for (let n = columns; n > 0; n -= 2) {
      for (let k: usize = 0; k < pixel; k += 16) {
        const p = x + k, q = p + line;
        const upper = f32x4.pmax(v128.load(p), v128.load(p + pixel));
        const lower = f32x4.pmax(v128.load(q), v128.load(q + pixel));
        v128.store(y + k, f32x4.pmax(upper, lower));
      }
      x += 2 * pixel;
      y += pixel;
    }
    x += line;
  }
}

/** dx = dy at the first largest of each window, else zero. x, y: what maxPool read and wrote. */
export function maxPoolBackward(
  x: usize, y: usize, dx: usize, dy: usize, images: i32, rows: i32, columns: i32, pixel: usize,
): void {
  const line = <usize>columns * pixel;
  for (let pair = images * rows / 2; pair > 0; pair--) {
    for (let n = columns; n > 0; n -= 2) {
      for (let k: usize = 0; k < pixel; k += 16) {
        const p = x + k, o = dx + k, largest = v128.load(y + k);
        let left = v128.load(dy + k);
        let here = f32x4.eq(v128.load(p), largest);
        v128.store(o, v128.and(left, here));
        left = v128.andnot(left, here);
        here = f32x4.eq(v128.load(p + pixel), largest);
        v128.store(o + pixel, v128.and(left, here));
        left = v128.andnot(left, here);
        here = f32x4.eq(v128.load(p + line), largest);
        v128.store(o + line, v128.and(left, here));
        left = v128.andnot(left, here);
        here = f32x4.eq(v128.load(p + line + pixel), largest);
        v128.store(o + line + pixel, v128.and(left, here));
      }
      x += 2 * pixel;
      dx += 2 * pixel;
      y += pixel;
      dy += pixel;
    }
    x += line;
    dx += line;
  }
}

/** Mean over an image's pixels, channel by channel. */
export function mean(x: usize, y: usize, images: i32, pixels: i32, pixel: usize): void {
  const share = f32x4.splat(1.0 / <f32>pixels);
  for (; images > 0; images--) {
    for (let k: usize = 0; k < pixel; k += 16) {
      let sum = f32x4.splat(0), p = x + k;
      for (let n = pixels; n > 0; n--) {
        sum = f32x4.add(sum, v128.load(p));
        p += pixel;
      }
      v128.store(y + k, f32x4.mul(sum, share));
    }
    x += <usize>pixels * pixel;
    y += pixel;
  }
}

/** dx = dy / pixels at every pixel. */
export function meanBackward(dx: usize, dy: usize, images: i32, pixels: i32, pixel: usize): void {
  const share = f32x4.splat(1.0 / <f32>pixels);
  for (; images > 0; images--) {
    for (let n = pixels; n > 0; n--) {
      for (let k: usize = 0; k < pixel; k += 16) {
        v128.store(dx + k, f32x4.mul(v128.load(dy + k), share));
      }
      dx += pixel;
    }
    dy += pixel;
  }
}

/**
 * Softmax and cross-entropy, in place: x becomes the gradient, (softmax − label) · scale. Labels are 32-bit class numbers. Returns the sum of
 * the losses in nats.
 */
export function crossEntropy(x: usize, rowBytes: usize, labels: usize, rows: i32, classes: i32, scale: f32): f64 {
  let loss: f64 = 0;
  for (; rows > 0; rows--) {
    const end = x + (<usize>classes << 2), label = x + (load<u32>(labels) << 2);
    let largest = load<f32>(x);
    for (let p = x + 4; p < end; p += 4) largest = max(largest, load<f32>(p));
    const wanted = load<f32>(label) - largest;
    let sum: f32 = 0;
    for (let p = x; p < end; p += 4) {
      const e = <f32>Mathf.exp(load<f32>(p) - largest);
      store<f32>(p, e);
      sum += e;
    }
    loss += Math.log(<f64>sum) - <f64>wanted;
    const by = scale / sum;
    for (let p = x; p < end; p += 4) store<f32>(p, load<f32>(p) * by);
    store<f32>(label, load<f32>(label) - scale);
    x += rowBytes;
    labels += 4;
  }
  return loss;
}

/**
 * How many rows have the number at the label among their `most` largest; of equal numbers the first is the larger. NaN is larger than all, and
 * at the label it is never counted.
 */
export function countCorrect(x: usize, rowBytes: usize, labels: usize, rows: i32, classes: i32, most: i32): i32 {
  let correct = 0;
  for (; rows > 0; rows--) {
    const label = load<u32>(labels), wanted = load<f32>(x + (label << 2));
    let larger = 0;
    for (let k: u32 = 0; k < <u32>classes; k++) {
      const other = load<f32>(x + (k << 2));
      if (!(k < label ? wanted > other : wanted >= other)) larger++;
    }
    if (larger < most) correct++;
    x += rowBytes;
    labels += 4;
  }
  return correct;
}

/**
 * Squared error, in place: x becomes 2 · (x − label) / outputs · scale. Labels are rows of `outputs` floats. Returns the sum over rows of the
 * mean over outputs.
 */
export function squaredError(x: usize, rowBytes: usize, labels: usize, rows: i32, outputs: i32, scale: f32): f64 {
  let loss: f64 = 0;
  const by: f32 = 2.0 * scale / <f32>outputs;
  for (; rows > 0; rows--) {
    for (let k: usize = 0; k < <usize>outputs << 2; k += 4) {
      const difference = load<f32>(x + k) - load<f32>(labels + k);
      loss += <f64>difference * <f64>difference;
      store<f32>(x + k, difference * by);
    }
    x += rowBytes;
    labels += <usize>outputs << 2;
  }
  return loss / <f64>outputs;
}

/** The sum over rows of the mean over outputs of |x − label|. Labels are rows of `outputs` floats. */
export function absoluteError(x: usize, rowBytes: usize, labels: usize, rows: i32, outputs: i32): f64 {
  let sum: f64 = 0;
  for (; rows > 0; rows--) {
    for (let k: usize = 0; k < <usize>outputs << 2; k += 4) {
      sum += <f64>abs(load<f32>(x + k) - load<f32>(labels + k));
    }
    x += rowBytes;
    labels += <usize>outputs << 2;
  }
  return sum / <f64>outputs;
}

/** Bytes as floats: x / 255, rounded once. Reads and writes up to three numbers past the end. */
export function floatsOfBytes(from: usize, out: usize, count: i32): void {
  const whole = f32x4.splat(255);
  for (const end = from + <usize>count; from < end; from += 4, out += 16) {
    const words = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(from)));
    v128.store(out, f32x4.div(f32x4.convert_i32x4_s(words), whole));
  }
}

/** Pixels of `channels` numbers to pixels of `wide` ones. */
export function widen(from: usize, out: usize, pixels: i32, channels: i32, wide: i32): void {
  for (; pixels > 0; pixels--) {
    for (let k: usize = 0; k < <usize>channels << 2; k += 4) store<f32>(out + k, load<f32>(from + k));
    from += <usize>channels << 2;
    out += <usize>wide << 2;
  }
}

/** v *= by over `count` numbers (a multiple of four). */
export function scale(v: usize, count: i32, by: f32): void {
  const factor = f32x4.splat(by);
  for (const end = v + (<usize>count << 2); v < end; v += 16) {
    v128.store(v, f32x4.mul(v128.load(v), factor));
  }
}

/** v += mu · (w − start) over `count` numbers: the gradient of FedProx's term. */
export function pull(v: usize, w: usize, start: usize, count: i32, mu: f32): void {
  const by = f32x4.splat(mu);
  for (const end = v + (<usize>count << 2); v < end; v += 16, w += 16, start += 16) {
    v128.store(v, madd(by, f32x4.sub(v128.load(w), v128.load(start)), v128.load(v)));
  }
}

/** w += by · v over `count` numbers (a multiple of four). */
export function step(w: usize, v: usize, count: i32, by: f32): void {
  const factor = f32x4.splat(by);
  for (const end = w + (<usize>count << 2); w < end; w += 16, v += 16) {
    v128.store(w, madd(factor, v128.load(v), v128.load(w)));
  }
}

// Winograd's way of 5×5 convolutions (Winograd 1980; Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks"): F(2×2, 5×5) at
// the points 0, 1, −1, 2, −2, ∞. A tile of 2×2 outputs takes 36 multiplications per pair of channels instead of 100. All is cut into tiles of 6×6
// inputs that overlap; each of the 36 places of a transformed tile, a "point", is a matrix product of its own. The gradient of the filter is
// F(5×5, 2×2) at the same points, so the transformed inputs serve for both. `point` is the distance between the points of one kind.

/** Room for a tile between its two passes. */
const TILE: usize = memory.data(36 * 16, 16);

/** Six inputs, `from` bytes apart, to six points. */
@inline function inputs6(p: usize, from: usize, q: usize, to: usize): void {
  const a = v128.load(p), b = v128.load(p + from), c = v128.load(p + 2 * from);
  const d = v128.load(p + 3 * from), e = v128.load(p + 4 * from), f = v128.load(p + 5 * from);
  const four = f32x4.splat(4), five = f32x4.splat(-5), minus = f32x4.splat(-4), two = f32x4.splat(2);
  v128.store(q, madd(a, four, madd(c, five, e)));
  const even = madd(c, minus, e), odd = madd(b, minus, d);
  v128.store(q + to, f32x4.add(even, odd));
  v128.store(q + 2 * to, f32x4.sub(even, odd));
  const outer = f32x4.sub(e, c), inner = f32x4.mul(f32x4.sub(d, b), two);
  v128.store(q + 3 * to, f32x4.add(outer, inner));
  v128.store(q + 4 * to, f32x4.sub(outer, inner));
  v128.store(q + 5 * to, madd(b, four, madd(d, five, f)));
}

/** Five weights to six points. */
@inline function weights5(p: usize, from: usize, q: usize, to: usize): void {
  const a = v128.load(p), b = v128.load(p + from), c = v128.load(p + 2 * from);
  const d = v128.load(p + 3 * from), e = v128.load(p + 4 * from);
  const sixth = f32x4.splat(-1.0 / 6.0), part = f32x4.splat(1.0 / 24.0);
  v128.store(q, f32x4.mul(a, f32x4.splat(0.25)));
  const even = f32x4.add(f32x4.add(a, c), e), odd = f32x4.add(b, d);
  v128.store(q + to, f32x4.mul(f32x4.add(even, odd), sixth));
  v128.store(q + 2 * to, f32x4.mul(f32x4.sub(even, odd), sixth));
  const outer = madd(e, f32x4.splat(16), madd(c, f32x4.splat(4), a));
  const inner = madd(d, f32x4.splat(8), f32x4.add(b, b));
  v128.store(q + 3 * to, f32x4.mul(f32x4.add(outer, inner), part));
  v128.store(q + 4 * to, f32x4.mul(f32x4.sub(outer, inner), part));
  v128.store(q + 5 * to, e);
}

/** Two derivatives by outputs to six points. */
@inline function derivatives2(p: usize, from: usize, q: usize, to: usize): void {
  const a = v128.load(p), b = v128.load(p + from);
  const sixth = f32x4.splat(-1.0 / 6.0), part = f32x4.splat(1.0 / 24.0), twice = f32x4.add(b, b);
  v128.store(q, f32x4.mul(a, f32x4.splat(0.25)));
  v128.store(q + to, f32x4.mul(f32x4.add(a, b), sixth));
  v128.store(q + 2 * to, f32x4.mul(f32x4.sub(a, b), sixth));
  v128.store(q + 3 * to, f32x4.mul(f32x4.add(a, twice), part));
  v128.store(q + 4 * to, f32x4.mul(f32x4.sub(a, twice), part));
  v128.store(q + 5 * to, b);
}

/** Six points to two outputs. */
@inline function outputs2(p: usize, from: usize, q: usize, to: usize): void {
  const a = v128.load(p), b = v128.load(p + from), c = v128.load(p + 2 * from);
  const d = v128.load(p + 3 * from), e = v128.load(p + 4 * from), f = v128.load(p + 5 * from);
  v128.store(q, f32x4.add(f32x4.add(a, f32x4.add(b, c)), f32x4.add(d, e)));
  v128.store(q + to, f32x4.add(madd(f32x4.sub(d, e), f32x4.splat(2), f32x4.sub(b, c)), f));
}

/** Six points to five derivatives by weights. */
@inline function derivatives5(p: usize, from: usize, q: usize, to: usize): void {
  const a = v128.load(p), b = v128.load(p + from), c = v128.load(p + 2 * from);
  const d = v128.load(p + 3 * from), e = v128.load(p + 4 * from), f = v128.load(p + 5 * from);
  const one = f32x4.add(b, c), two = f32x4.add(d, e), oneOdd = f32x4.sub(b, c), twoOdd = f32x4.sub(d, e);
  v128.store(q, f32x4.add(f32x4.add(a, one), two));
  v128.store(q + to, madd(twoOdd, f32x4.splat(2), oneOdd));
  v128.store(q + 2 * to, madd(two, f32x4.splat(4), one));
  v128.store(q + 3 * to, madd(twoOdd, f32x4.splat(8), oneOdd));
  v128.store(q + 4 * to, f32x4.add(madd(two, f32x4.splat(16), one), f));
}

/** Tiles of one image with a border to points: v[point][tile][channel]. */
export function winogradInputs(x: usize, row: usize, pixel: usize, tilesDown: i32, tilesAcross: i32, v: usize, point: usize): void {
  for (let ty = 0; ty < tilesDown; ty++) {
    for (let tx = 0; tx < tilesAcross; tx++) {
      const tile = x + <usize>(2 * tx) * pixel;
      for (let c: usize = 0; c < pixel; c += 16) {
        for (let k: usize = 0; k < 6; k++) inputs6(tile + c + k * row, pixel, TILE + k * 96, 16);
        for (let k: usize = 0; k < 6; k++) inputs6(TILE + k * 16, 96, v + c + k * point, 6 * point);
      }
      v += pixel;
    }
    x += 2 * row;
  }
}

/** Derivatives by the outputs of one image, 2×2 at a time, to points. */
export function winogradDerivatives(d: usize, row: usize, pixel: usize, tilesDown: i32, tilesAcross: i32, z: usize, point: usize): void {
  for (let ty = 0; ty < tilesDown; ty++) {
    for (let tx = 0; tx < tilesAcross; tx++) {
      const tile = d + <usize>(2 * tx) * pixel;
      for (let c: usize = 0; c < pixel; c += 16) {
        for (let k: usize = 0; k < 2; k++) derivatives2(tile + c + k * row, pixel, TILE + k * 96, 16);
        for (let k: usize = 0; k < 6; k++) derivatives2(TILE + k * 16, 96, z + c + k * point, 6 * point);
      }
      z += pixel;
    }
    d += 2 * row;
  }
}

/** Points of one image to its outputs; `bias` is 0 for none. */
export function winogradOutputs(m: usize, point: usize, bias: usize, y: usize, row: usize, pixel: usize, tilesDown: i32, tilesAcross: i32): void {
  for (let ty = 0; ty < tilesDown; ty++) {
    for (let tx = 0; tx < tilesAcross; tx++) {
      const tile = y + <usize>(2 * tx) * pixel;
      for (let c: usize = 0; c < pixel; c += 16) {
        for (let k: usize = 0; k < 6; k++) outputs2(m + c + k * 6 * point, point, TILE + k * 32, 16);
        for (let k: usize = 0; k < 2; k++) outputs2(TILE + k * 16, 32, tile + c + k * pixel, row);
        if (bias != 0) {
          const b = v128.load(bias + c);
          for (let k: usize = 0; k < 2; k++) {
            const o = tile + c + k * pixel;
            v128.store(o, f32x4.add(v128.load(o), b));
            v128.store(o + row, f32x4.add(v128.load(o + row), b));
          }
        }
      }
      m += pixel;
    }
    y += 2 * row;
  }
}

/** Filters in panels to points: u[point] is a weight in panels of `channels` rows. */
export function winogradWeights(w: usize, channels: i32, panels: i32, u: usize, point: usize): void {
  const place = <usize>channels << 5;
  for (; panels > 0; panels--) {
    for (let c: usize = 0; c < place; c += 16) {
      for (let k: usize = 0; k < 5; k++) weights5(w + c + 5 * k * place, place, TILE + k * 96, 16);
      for (let k: usize = 0; k < 6; k++) weights5(TILE + k * 16, 96, u + c + k * point, 6 * point);
    }
    w += 25 * place;
    u += place;
  }
}

/** g += scale · (what the points say about the filters): the way back of winogradWeights' layout. */
export function winogradGradient(du: usize, point: usize, channels: i32, panels: i32, g: usize, scale: f32): void {
  const place = <usize>channels << 5, by = f32x4.splat(scale);
  for (; panels > 0; panels--) {
    for (let c: usize = 0; c < place; c += 16) {
      for (let k: usize = 0; k < 6; k++) derivatives5(du + c + k * 6 * point, point, TILE + k * 80, 16);
      for (let k: usize = 0; k < 5; k++) {
        // Five of the tile's columns in place: each is read whole before it is written.
        derivatives5(TILE + k * 16, 80, TILE + k * 16, 80);
        for (let j: usize = 0; j < 5; j++) {
          const o = g + c + (5 * j + k) * place;
          v128.store(o, madd(v128.load(TILE + k * 16 + j * 80), by, v128.load(o)));
        }
      }
    }
    du += place;
    g += 25 * place;
  }
}

/** m[point] = v[point] · u[point] for all points: `tiles` rows of `channels` numbers by panels. */
export function winogradForward(v: usize, tiles: i32, channels: i32, u: usize, panels: i32, m: usize): void {
  const row = <usize>channels << 2, panelBytes = <usize>channels << 5, out = <usize>panels << 5;
  for (let k = 0; k < 36; k++) {
    forward(v, 0, row, 1, tiles, 1, channels, 0, u, panelBytes, panels, 0, 0, 0, m, 0, out);
    v += <usize>tiles * row;
    u += <usize>panels * panelBytes;
    m += <usize>tiles * out;
  }
}

/** du[point] += v[point]ᵀ · z[point] for all points. */
export function winogradBackward(v: usize, tiles: i32, channels: i32, z: usize, panels: i32, du: usize): void {
  const row = <usize>channels << 2, panelBytes = <usize>channels << 5, out = <usize>panels << 5;
  for (let k = 0; k < 36; k++) {
    gradient(v, 0, row, 1, channels, 0, z, 0, out, 1, tiles, du, panelBytes, panels, 1);
    v += <usize>tiles * row;
    z += <usize>tiles * out;
    du += <usize>panels * panelBytes;
  }
}
