/** How many requests. Compiled from ambit.v1.RateLimit. */
import { limit as messages } from '@ambit/api';
import type { BucketRule } from '@ambit/routing';

import { type ServiceTarget, serviceTarget } from './backend-target.ts';
import { limitMs } from './duration.ts';
import type { Problems } from './problems.ts';

const { RateLimit_Attribute: Attribute } = messages;

/** What of a request makes it count apart from others. */
export type LimitKey =
  | {
      readonly kind: 'client-address' | 'source-principal' | 'source-namespace' | 'route' | 'host' | 'method' | 'path';
    }
  /** Lower case. */
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'claim'; readonly path: readonly string[] };

export interface RateLimitRule {
  /** `<namespace>/<policy>/<limit>`. */
  readonly name: string;
  readonly keys: readonly LimitKey[];
  readonly requests: number;
  readonly intervalMs: number;
  readonly scope:
    | { readonly kind: 'local'; readonly bucket: BucketRule }
    | { readonly kind: 'global'; readonly service: string; readonly domain: string };
  readonly tellsClients: boolean;
  /** Counts, refuses nothing. */
  readonly isDryRun: boolean;
}

/** Who counts for all proxies. */
export interface LimitService {
  readonly name: string;
  readonly target: ServiceTarget;
  readonly timeoutMs: number;
  /** What happens to requests that it does not answer for. */
  readonly failsOpen: boolean;
}

/** Envoy's default. */
const defaultTimeoutMs = 20;

const attributes: Readonly<Record<number, LimitKey>> = {
  [Attribute.CLIENT_ADDRESS]: { kind: 'client-address' },
  [Attribute.SOURCE_PRINCIPAL]: { kind: 'source-principal' },
  [Attribute.SOURCE_NAMESPACE]: { kind: 'source-namespace' },
  [Attribute.ROUTE]: { kind: 'route' },
  [Attribute.HOST]: { kind: 'host' },
  [Attribute.METHOD]: { kind: 'method' },
  [Attribute.PATH]: { kind: 'path' },
};

export function compileRateLimits(
  list: readonly messages.RateLimit[],
  place: string,
  problems: Problems,
): readonly RateLimitRule[] {
  return list.map((message) => compileRateLimit(message, `${place} rate limit ${message.name}`, problems));
}

function compileRateLimit(message: messages.RateLimit, place: string, problems: Problems): RateLimitRule {
  const { name, requests, service, domain } = message;
  const intervalMs = limitMs(message.interval) ?? 0;
  if (requests === 0) problems.bad(place, 'allows no requests at all; refuse them by an AuthorizationPolicy instead');
  if (intervalMs === 0) problems.bad(place, 'has no interval');
  const bucket = { tokens: requests, intervalMs, capacity: message.burst === 0 ? requests : message.burst };
  return {
    name,
    keys: message.keys.flatMap((key) => compileKey(key, place, problems)),
    requests,
    intervalMs,
    scope: service === '' ? { kind: 'local', bucket } : { kind: 'global', service, domain },
    tellsClients: message.tellClients,
    isDryRun: message.dryRun,
  };
}

function compileKey({ kind }: messages.RateLimit_Key, place: string, problems: Problems): readonly LimitKey[] {
  switch (kind.case) {
    case 'header':
      return [{ kind: 'header', name: kind.value.toLowerCase() }];
    case 'claim':
      return [{ kind: 'claim', path: kind.value.path }];
    case 'attribute': {
      const key = attributes[kind.value];
      if (key !== undefined) return [key];
    }
  }
  // Counting all requests together in its place would refuse those of everybody.
  problems.bad(place, 'counts by something that is not known here');
  return [];
}

export function compileLimitService(message: messages.RateLimitService): LimitService {
  return {
    name: message.name,
    target: serviceTarget(message.namespace, message.hostname, message.port),
    timeoutMs: limitMs(message.timeout) ?? defaultTimeoutMs,
    failsOpen: !message.failClosed,
  };
}
