import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readDuration } from './duration.ts';
import { type PolicyTarget, readTargets } from './policy-target.ts';
import { readConditions, type StatusCondition } from './status-condition.ts';

/** What of a request makes it count apart from others. */
export const rateLimitAttributes = [
  'ClientAddress',
  'SourcePrincipal',
  'SourceNamespace',
  'Route',
  'Host',
  'Method',
  'Path',
] as const;

export type RateLimitAttribute = (typeof rateLimitAttributes)[number];

export interface RateLimitSpec {
  /** Unique within the policy. */
  readonly name: string;
  readonly requests: number;
  readonly intervalMs: number;
  /** Undefined: as many as `requests`. */
  readonly burst: number | undefined;
  readonly attributes: readonly RateLimitAttribute[];
  readonly headers: readonly string[];
  readonly claims: readonly (readonly string[])[];
  readonly scope: 'Local' | 'Global';
  readonly isDryRun: boolean;
}

/** A service that counts for all proxies. */
export interface RateLimitServiceSpec {
  readonly name: string;
  /** Undefined: the policy's own. */
  readonly namespace: string | undefined;
  readonly port: number;
  readonly domain: string | undefined;
  readonly timeoutMs: number | undefined;
  readonly onFailure: 'Allow' | 'Refuse';
}

/** How many requests; Ambit's own kind, as neither Istio nor the Gateway API has one. */
export interface RateLimitPolicy extends ResourceBase<'RateLimitPolicy'> {
  readonly spec: {
    readonly targets: readonly PolicyTarget[];
    readonly limits: readonly RateLimitSpec[];
    readonly service: RateLimitServiceSpec | undefined;
    readonly tellsClients: boolean;
  };
  readonly status: { readonly conditions: readonly StatusCondition[] };
}

const maxCount = 1_000_000_000;

export function readRateLimitPolicy(reader: ObjectReader, metadata: ObjectMeta, origin: Location): RateLimitPolicy {
  const spec = reader.requiredObject('spec', (body) => {
    const targets = readTargets(body);
    if (targets.length === 0) body.error('targetRefs', 'is required: what the limits are for');
    const limits = body.objects('limits', readLimit);
    if (limits.length === 0) body.error('limits', 'is required: at least one limit');
    const service = body.object('service', readService);
    if (service === undefined && limits.some(({ scope }) => scope === 'Global')) {
      body.error('service', 'is required by limits of scope Global: who counts for all proxies');
    }
    const names = limits.map(({ name }) => name);
    if (new Set(names).size < names.length) body.error('limits', 'must have different names');
    return { targets, limits, service, tellsClients: body.boolean('tellClients') ?? false };
  });
  return {
    kind: 'RateLimitPolicy',
    metadata,
    origin,
    spec: spec ?? { targets: [], limits: [], service: undefined, tellsClients: false },
    status: { conditions: readConditions(reader) },
  };
}

function readLimit(reader: ObjectReader): RateLimitSpec {
  const requests = reader.integer('requests', 1, maxCount);
  if (requests === undefined && !reader.has('requests'))
    reader.error('requests', 'is required: how many in an interval');
  const intervalMs = readDuration(reader, 'interval') ?? 1000;
  if (intervalMs < 1 || intervalMs > 86_400_000) reader.error('interval', 'must be from 1ms to 24h');
  return {
    name: reader.string('name') ?? 'limit',
    requests: requests ?? 1,
    intervalMs,
    burst: reader.integer('burst', 1, maxCount),
    attributes: reader.strings('per').flatMap((text) => {
      const found = rateLimitAttributes.find((attribute) => attribute === text);
      if (found === undefined) reader.error('per', `must be of ${rateLimitAttributes.join(', ')}, not "${text}"`);
      return found ?? [];
    }),
    headers: reader.strings('perHeaders'),
    claims: reader.strings('perClaims').map((claim) => claim.split('.')),
    scope: reader.choice('scope', ['Local', 'Global']) ?? 'Local',
    isDryRun: reader.boolean('dryRun') ?? false,
  };
}

function readService(reader: ObjectReader): RateLimitServiceSpec {
  return {
    name: reader.requiredString('name'),
    namespace: reader.string('namespace'),
    port: reader.requiredPort('port'),
    domain: reader.string('domain'),
    timeoutMs: readDuration(reader, 'timeout'),
    onFailure: reader.choice('onFailure', ['Allow', 'Refuse']) ?? 'Allow',
  };
}
