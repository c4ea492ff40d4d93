import type { WeightFactor } from './balancer.ts';

/** DestinationRule's `warmup`. */
export interface SlowStart {
  readonly durationMs: number;
  /** 0 to 100: the least share of a new endpoint. */
  readonly minimumPercent: number;
  /** 1 grows linearly, more grows faster at first. */
  readonly aggression: number;
}

/** An endpoint's share grows with its age: max(minimum, (age / window) ^ (1 / aggression)). Istio: warmup. */
export function slowStartFactor(slowStart: SlowStart, nowMs: () => number): WeightFactor {
  const { durationMs, minimumPercent, aggression } = slowStart;
  return ({ knownSinceMs }) => {
    const age = nowMs() - knownSinceMs;
    if (age >= durationMs) return 1;
    return Math.max(minimumPercent / 100, (Math.max(age, 0) / durationMs) ** (1 / aggression));
  };
}
