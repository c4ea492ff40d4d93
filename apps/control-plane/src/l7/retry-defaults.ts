import { route } from '@ambit/api';
import type { RouteRetry } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import { duration } from './proto-text.ts';

/** What Istio retries when nobody says anything: attempts that certainly did no work. Spec: l7.md section 3.3. */
export const defaultConditions: readonly string[] = ['connect-failure', 'refused-stream', 'unavailable', 'cancelled'];

export const defaultMaxRetries = 2;

/** The retries of a route that says nothing about them. */
export function defaultRetries(): route.Retries {
  return create(route.RetriesSchema, { maxRetries: defaultMaxRetries, conditions: [...defaultConditions] });
}

/**
 * Retries of an HTTPRoute's rule. With a stanza, everything that ended before an answer is retried: that includes resets
 * and attempts that took too long, which Istio's default leaves alone. Spec: l7.md section 1.5, retry.
 */
export function retriesOfRule(retry: RouteRetry | undefined, perTryMs: number): route.Retries {
  const perTry = perTryMs > 0 ? { perTryTimeout: duration(perTryMs) } : {};
  if (retry === undefined) {
    return create(route.RetriesSchema, {
      maxRetries: defaultMaxRetries,
      conditions: [...defaultConditions],
      ...perTry,
    });
  }
  return create(route.RetriesSchema, {
    maxRetries: retry.attempts ?? defaultMaxRetries,
    conditions: [...defaultConditions, 'reset', ...retry.codes.map(String)],
    ...perTry,
    ...(retry.backoffMs === undefined ? {} : { backoffBase: duration(retry.backoffMs) }),
  });
}
