/** When an attempt may be made again. Spec: contract l7 3.3 (Envoy's retry_on words). */
export interface RetryPolicy {
  /** Attempts after the first; 0 turns retries off. */
  readonly maxRetries: number;
  readonly conditions: ReadonlySet<RetryCondition>;
  /** Status codes received from the backend. */
  readonly statusCodes: ReadonlySet<number>;
  readonly perTryTimeoutMs: number | undefined;
  /** Base of the back-off; the cap is ten times as much. */
  readonly backoffBaseMs: number;
}

/** Words of `retryOn` that are understood. */
export const retryConditions = [
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'refused-stream',
  'retriable-4xx',
  'retriable-status-codes',
  'envoy-ratelimited',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
] as const;
/** One of {@link retryConditions}. */
export type RetryCondition = (typeof retryConditions)[number];

/** Istio's default: two retries of what certainly did no work, or where the backend says so. */
export const defaultRetryPolicy: RetryPolicy = {
  maxRetries: 2,
  conditions: new Set(['connect-failure', 'refused-stream', 'unavailable', 'cancelled', 'retriable-status-codes']),
  statusCodes: new Set(),
  perTryTimeoutMs: undefined,
  backoffBaseMs: 25,
};

/** How an attempt ended without, or before, an answer that goes downstream. */
export type AttemptOutcome =
  | {
      readonly kind: 'response';
      readonly status: number;
      /** From the response head: trailers-only answers. */
      readonly grpcStatus: number | undefined;
      readonly isRateLimited: boolean;
      readonly isOverloaded: boolean;
    }
  | { readonly kind: 'connect-failure' }
  | { readonly kind: 'refused-stream' }
  | { readonly kind: 'reset'; readonly wasRequestSent: boolean }
  | { readonly kind: 'per-try-timeout' }
  /** A circuit limit refused it here. */
  | { readonly kind: 'overflow' };

/** Whether the outcome is one that the policy retries. Attempts, budgets and buffers are the caller's to count. */
export function isRetriable(policy: RetryPolicy, outcome: AttemptOutcome): boolean {
  const has = (condition: RetryCondition): boolean => policy.conditions.has(condition);
  switch (outcome.kind) {
    case 'overflow':
      return false;
    case 'connect-failure':
      // No byte of the request has left: that also is a reset before the request.
      return (
        has('connect-failure') || has('5xx') || has('gateway-error') || has('reset') || has('reset-before-request')
      );
    case 'refused-stream':
      return has('refused-stream') || has('5xx') || has('gateway-error') || has('reset');
    case 'reset':
      if (has('5xx') || has('gateway-error') || has('reset')) return true;
      return !outcome.wasRequestSent && has('reset-before-request');
    case 'per-try-timeout':
      return has('5xx') || has('gateway-error') || has('reset');
    case 'response':
      return isResponseRetriable(policy, outcome);
  }
}

function isResponseRetriable(policy: RetryPolicy, response: AttemptOutcome & { readonly kind: 'response' }): boolean {
  const { conditions } = policy;
  if (response.isOverloaded) return false;
  if (response.isRateLimited) return conditions.has('envoy-ratelimited');
  const { status, grpcStatus } = response;
  if (conditions.has('5xx') && status >= 500 && status < 600) return true;
  if (conditions.has('gateway-error') && status >= 502 && status <= 504) return true;
  if (conditions.has('retriable-4xx') && status === 409) return true;
  if (conditions.has('retriable-status-codes') && policy.statusCodes.has(status)) return true;
  const grpcCondition = grpcStatus === undefined ? undefined : grpcConditions.get(grpcStatus);
  return grpcCondition !== undefined && conditions.has(grpcCondition);
}

const grpcConditions: ReadonlyMap<number, RetryCondition> = new Map([
  [1, 'cancelled'],
  [4, 'deadline-exceeded'],
  [8, 'resource-exhausted'],
  [13, 'internal'],
  [14, 'unavailable'],
]);

/** Reads Istio's `retryOn`: words and bare status codes, comma-separated. Unknown words come back for a warning. */
export function parseRetryOn(text: string): {
  readonly conditions: ReadonlySet<RetryCondition>;
  readonly statusCodes: ReadonlySet<number>;
  readonly unknown: readonly string[];
} {
  const conditions = new Set<RetryCondition>();
  const statusCodes = new Set<number>();
  const unknown: string[] = [];
  for (const word of text.split(',').map((part) => part.trim())) {
    const condition = retryConditions.find((known) => known === word);
    if (condition !== undefined) {
      conditions.add(condition);
    } else if (/^[1-5][0-9]{2}$/.test(word)) {
      statusCodes.add(Number(word));
      conditions.add('retriable-status-codes');
    } else if (word !== '') {
      unknown.push(word);
    }
  }
  return { conditions, statusCodes, unknown };
}

/** The wait before retry number `retry` (1 is the first): full jitter up to base * 2^(retry - 1), capped at ten times the base. */
export function retryDelayMs(policy: RetryPolicy, retry: number, random: () => number): number {
  const ceiling = Math.min(policy.backoffBaseMs * 2 ** (retry - 1), policy.backoffBaseMs * 10);
  return Math.floor(random() * ceiling);
}
