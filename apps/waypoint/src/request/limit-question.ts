/** Asks a service that counts for all proxies. Spec: envoy.service.ratelimit.v3.RateLimitService. */
import { ratelimit as messages } from '@ambit/api';
import { frameOf } from '@ambit/grpc';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';

import { durationMs } from '../config/duration.ts';
import type { LimitKey, LimitService, RateLimitRule } from '../config/rate-limit.ts';
import { grpcAnswer, grpcCallHead } from './grpc-call.ts';
import type { RequestView } from './request-view.ts';
import type { RequestSurroundings } from './request-surroundings.ts';
import { type UnaryAnswer, UnaryExchange } from './unary-exchange.ts';

const { RateLimitResponse_Code: Code, RateLimitDescriptor_Unit: Unit } = messages;
const path = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit';

type Headers = readonly (readonly [name: string, value: string])[];

/** A limit with the values that the request counts under. */
export interface QuestionedLimit {
  readonly limit: RateLimitRule;
  readonly values: readonly string[];
}

export type LimitVerdict =
  | {
      readonly kind: 'within' | 'over';
      readonly headers: Headers;
      readonly told: ToldLimit | undefined;
      /** Whether each of the limits is over, in their order. */
      readonly over: readonly boolean[];
    }
  | { readonly kind: 'failed' };

/** The limit that is closest, for the client. */
export interface ToldLimit {
  readonly requests: number;
  readonly windowSec: number;
  readonly remaining: number;
  readonly resetSec: number;
}

const unitsByMs: ReadonlyMap<number, messages.RateLimitDescriptor_Unit> = new Map([
  [1000, Unit.SECOND],
  [60_000, Unit.MINUTE],
  [3_600_000, Unit.HOUR],
  [86_400_000, Unit.DAY],
]);

/** All limits of one request that one service counts, in one call. */
export class LimitQuestion {
  readonly #service: LimitService;
  readonly #limits: readonly QuestionedLimit[];
  readonly #exchange: UnaryExchange;

  constructor(
    surroundings: RequestSurroundings,
    service: LimitService,
    limits: readonly QuestionedLimit[],
    onVerdict: (verdict: LimitVerdict) => void,
  ) {
    this.#service = service;
    this.#limits = limits;
    this.#exchange = new UnaryExchange(surroundings, service, (answer) => onVerdict(verdictOf(answer, limits)));
  }

  start(view: RequestView): void {
    this.#exchange.start(grpcCallHead(this.#service, path), question(this.#limits), view);
  }

  cancel(): void {
    this.#exchange.cancel();
  }
}

function question(limits: readonly QuestionedLimit[]): Uint8Array {
  const [first] = limits;
  const domain = first?.limit.scope.kind === 'global' ? first.limit.scope.domain : '';
  const message = create(messages.RateLimitRequestSchema, {
    domain,
    hitsAddend: 1,
    descriptors: limits.map(({ limit, values }) => {
      const unit = unitsByMs.get(limit.intervalMs);
      return {
        entries: [
          { key: 'generic_key', value: limit.name },
          ...limit.keys.map((key, i) => ({ key: descriptorKey(key), value: values[i] ?? '' })),
        ],
        // Without a unit of the protocol's the service has to know the limit by its name.
        ...(unit === undefined ? {} : { limit: { requestsPerUnit: limit.requests, unit } }),
      };
    }),
  });
  return frameOf(toBinary(messages.RateLimitRequestSchema, message));
}

/** As Envoy's actions name theirs, where there is such an action. */
function descriptorKey(key: LimitKey): string {
  switch (key.kind) {
    case 'client-address':
      return 'remote_address';
    case 'header':
      return key.name;
    case 'claim':
      return `claim_${key.path.join('.')}`;
    default:
      return key.kind.replace('-', '_');
  }
}

function verdictOf(answer: UnaryAnswer | undefined, limits: readonly QuestionedLimit[]): LimitVerdict {
  const response = grpcAnswer(answer, (bytes) => fromBinary(messages.RateLimitResponseSchema, bytes));
  if (response === undefined) return { kind: 'failed' };
  const headers = response.responseHeadersToAdd.map(({ key, value }) => [key.toLowerCase(), value] as const);
  // Statuses come in the order of the descriptors.
  const told = response.statuses.flatMap((status, i) => toldOf(status, limits[i]) ?? []);
  const closest = told.toSorted((a, b) => a.remaining - b.remaining)[0];
  const { statuses, overallCode } = response;
  // A service that says nothing of single limits means all of them.
  const over = limits.map(
    (_, i) => (statuses[i]?.code ?? (statuses.length > 0 ? Code.OK : overallCode)) === Code.OVER_LIMIT,
  );
  switch (overallCode) {
    case Code.OK:
      return { kind: 'within', headers, told: closest, over };
    case Code.OVER_LIMIT: {
      const isRefused = over.some((isOver, i) => isOver && limits[i]?.limit.isDryRun === false);
      return { kind: isRefused ? 'over' : 'within', headers, told: closest, over };
    }
    default:
      return { kind: 'failed' };
  }
}

function toldOf(
  status: messages.RateLimitResponse_DescriptorStatus,
  questioned: QuestionedLimit | undefined,
): ToldLimit | undefined {
  if (questioned?.limit.tellsClients !== true) return undefined;
  const { requests, intervalMs } = questioned.limit;
  return {
    requests,
    windowSec: Math.ceil(intervalMs / 1000),
    remaining: status.limitRemaining,
    resetSec: Math.ceil((durationMs(status.durationUntilReset) ?? 0) / 1000),
  };
}
