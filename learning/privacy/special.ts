/**
 * The few special functions that privacy accounting needs, with relative accuracy in the tails: a probability of 10⁻³⁰⁰ is as good to
 * sixteen digits as one of a half. The error function follows fdlibm's `s_erf.c` (Sun Microsystems, 1993; freely granted).
 */

/** erfc(x) = 2/√π ∫ₓ^∞ e^(−t²) dt, relative error below 10⁻¹⁵; 0 beyond 26.6. */
export function erfc(x: number): number {
  if (x < 0.84375) return x < -6 ? 2 : x <= -0.84375 ? 2 - erfc(-x) : 1 - erfNearZero(x);
  return x < 1.25 ? erfcBelowFiveQuarters(x) : Math.exp(logErfcTail(x));
}

/** P(low < X ≤ high) for X normal with the given mean and standard deviation; ends may be infinite. No cancellation in the tails. */
export function normalMass(low: number, high: number, mean: number, deviation: number): number {
  const a = (low - mean) / (deviation * Math.SQRT2);
  const b = (high - mean) / (deviation * Math.SQRT2);
  if (a >= 0) return 0.5 * (erfc(a) - erfc(b));
  if (b <= 0) return 0.5 * (erfc(-b) - erfc(-a));
  return 1 - 0.5 * (erfc(b) + erfc(-a));
}

/** log(eᵃ + eᵇ). */
export function logAdd(a: number, b: number): number {
  const [low, high] = a < b ? [a, b] : [b, a];
  return low === -Infinity ? high : high + Math.log1p(Math.exp(low - high));
}

function erfNearZero(x: number): number {
  if (Math.abs(x) < 2 ** -28) return x + 0.12837916709551258632 * x;
  const z = x * x;
  const r = 0.12837916709551255856 + z * (-0.3250421072470015 + z * (-0.02848174957559851 +
            z * (-0.005770270296489442 + z * -0.000023763016656650163)));
  const s = 1 + z * (0.39791722395915535 + z * (0.0650222499887673 + z * (0.005081306281875766 +
                z * (0.00013249473800432164 + z * -0.000003960228278775368))));
  return x + x * (r / s);
}

function erfcBelowFiveQuarters(x: number): number {
  const s = x - 1;
  const p = -0.0023621185607526594 + s * (0.41485611868374833 + s * (-0.3722078760357013 +
            s * (0.31834661990116175 + s * (-0.11089469428239668 + s * (0.035478304325618236 +
                        s * -0.002166375594868791)))));
  const q = 1 + s * (0.10642088040084423 + s * (0.540397917702171 + s * (0.07182865441419627 +
                s * (0.12617121980876164 + s * (0.01363708391202905 + s * 0.011984499846799107)))));
  return 1 - 0.8450629115104675 - p / q;
}

/** log erfc(x) for x ≥ 1.25: −x² − 9/16 + R(1/x²)/S(1/x²) − log x. The second pair of polynomials stays right to infinity. */
function logErfcTail(x: number): number {
  const s = 1 / (x * x);
  const near = x < 1 / 0.35;
  const r = near
    ? -0.009864944034847148 + s * (-0.6938585727071818 + s * (-10.558626225323291 +
              s * (-62.375332450326006 + s * (-162.39666946257347 + s * (-184.60509290671104 +
                          s * (-81.2874355063066 + s * -9.814329344169145))))))
    : -0.0098649429247001 + s * (-0.799283237680523 + s * (-17.757954917754752 +
              s * (-160.63638485582192 + s * (-637.5664433683896 + s * (-1025.0951316110772 +
                          s * -483.5191916086514)))));
  const d = near
    ? 1 + s * (19.651271667439257 + s * (137.65775414351904 + s * (434.56587747522923 +
                  s * (645.3872717332679 + s * (429.00814002756783 + s * (108.63500554177944 +
                              s * (6.570249770319282 + s * -0.0604244152148581)))))))
    : 1 + s * (30.33806074348246 + s * (325.7925129965739 + s * (1536.729586084437 +
                  s * (3199.8582195085955 + s * (2553.0504064331644 + s * (474.52854120695537 +
                              s * -22.440952446585818))))));
  return -x * x - 0.5625 + r / d - Math.log(x);
}
