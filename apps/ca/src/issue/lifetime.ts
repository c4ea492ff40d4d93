import { CaError } from '../ca-error.ts';

/** Lifetimes of workload certificates. */
export interface LifetimeRules {
  /** Istio: DEFAULT_WORKLOAD_CERT_TTL. */
  readonly defaultMs: number;
  /** Istio: MAX_WORKLOAD_CERT_TTL. */
  readonly maxMs: number;
}

/**
 * The lifetime for a request of `seconds`: zero or less means the default, more than the maximum is an error, because a
 * caller that silently got less would renew too late. Throws CaError TTL_REFUSED.
 * Spec: control-plane contract 6.1 step 4.
 */
export function lifetimeMs(seconds: bigint, rules: LifetimeRules): number {
  if (seconds <= 0n) return rules.defaultMs;
  if (seconds * 1000n > BigInt(rules.maxMs)) {
    throw new CaError('TTL_REFUSED', `requested TTL of ${seconds} s is above the maximum of ${rules.maxMs / 1000} s`, {
      source: 'downstream',
    });
  }
  return Number(seconds) * 1000;
}
