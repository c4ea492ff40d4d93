import type { ObjectReader } from '../object-reader.ts';
import { readDuration } from './duration.ts';

/** Istio's StringMatch; an empty one asks only that there is a value. */
export type TextCondition =
  | { readonly kind: 'exact' | 'prefix' | 'regex'; readonly value: string }
  | { readonly kind: 'present' };

export interface HeaderOperation {
  readonly set: Readonly<Record<string, string>>;
  readonly add: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
}

export interface HeaderOperations {
  readonly request: HeaderOperation | undefined;
  readonly response: HeaderOperation | undefined;
}

export interface HttpRetry {
  /** Undefined: the default of the mesh. */
  readonly attempts: number | undefined;
  readonly perTryTimeoutMs: number | undefined;
  readonly retryOn: string | undefined;
  readonly backoffMs: number | undefined;
  readonly ignoresPreviousHosts: boolean | undefined;
  /** Places of attempts before are left. */
  readonly goesToOtherPlaces: boolean;
}

/** Percentages 0 to 100; undefined is none. */
export interface FaultSpec {
  readonly delay: { readonly fixedMs: number; readonly percent: number | undefined } | undefined;
  readonly abort:
    | {
        readonly httpStatus: number | undefined;
        readonly grpcStatus: string | undefined;
        readonly percent: number | undefined;
      }
    | undefined;
}

export interface CorsPolicy {
  readonly allowOrigins: readonly TextCondition[];
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly maxAgeMs: number | undefined;
  readonly allowCredentials: boolean;
  /** `FORWARD` (default) or `IGNORE`. */
  readonly unmatchedPreflights: string | undefined;
}

/** Reads a StringMatch. */
export function readText(reader: ObjectReader, name: string): TextCondition | undefined {
  return reader.object(name, readCondition);
}

/** Reads a map of StringMatches, in written order. */
export function readTextMap(reader: ObjectReader, name: string): readonly (readonly [string, TextCondition])[] {
  return reader.objectMap(name, (entry, key) => [key, readCondition(entry)] as const);
}

function readCondition(reader: ObjectReader): TextCondition {
  const exact = reader.string('exact');
  const prefix = reader.string('prefix');
  const regex = reader.string('regex');
  if (exact !== undefined) return { kind: 'exact', value: exact };
  if (prefix !== undefined) return { kind: 'prefix', value: prefix };
  if (regex !== undefined) return { kind: 'regex', value: regex };
  return { kind: 'present' };
}

/** Reads `headers` of a route or destination. */
export function readHeaderOperations(reader: ObjectReader): HeaderOperations {
  const operations = reader.object('headers', (headers) => ({
    request: headers.object('request', readOperation),
    response: headers.object('response', readOperation),
  }));
  return operations ?? { request: undefined, response: undefined };
}

function readOperation(reader: ObjectReader): HeaderOperation {
  return { set: reader.stringMap('set'), add: reader.stringMap('add'), remove: reader.strings('remove') };
}

/** Reads `retries` of a route. */
export function readRetries(reader: ObjectReader): HttpRetry | undefined {
  return reader.object('retries', (retries) => {
    return {
      attempts: retries.integer('attempts', 0, 2_147_483_647),
      perTryTimeoutMs: readDuration(retries, 'perTryTimeout'),
      retryOn: retries.string('retryOn'),
      backoffMs: readDuration(retries, 'backoff'),
      ignoresPreviousHosts: retries.boolean('retryIgnorePreviousHosts'),
      goesToOtherPlaces: retries.boolean('retryRemoteLocalities') ?? false,
    };
  });
}

/** Reads `fault` of a route. */
export function readFault(reader: ObjectReader): FaultSpec | undefined {
  return reader.object('fault', (fault) => ({
    delay: fault.object('delay', (delay) => ({
      fixedMs: readDuration(delay, 'fixedDelay') ?? readDuration(delay, 'exponentialDelay') ?? 0,
      percent: readPercentage(delay),
    })),
    abort: fault.object('abort', (abort) => {
      abort.doNotHonour('http2Error');
      return {
        httpStatus: abort.integer('httpStatus', 200, 599),
        grpcStatus: abort.string('grpcStatus'),
        percent: readPercentage(abort),
      };
    }),
  }));
}

function readPercentage(reader: ObjectReader): number | undefined {
  const whole = reader.integer('percent', 0, 100);
  return reader.object('percentage', (percentage) => percentage.number('value', 0, 100) ?? 0) ?? whole;
}

/** Reads `corsPolicy` of a route; the deprecated `allowOrigin` counts as exact origins. */
export function readCorsPolicy(reader: ObjectReader): CorsPolicy | undefined {
  return reader.object('corsPolicy', (cors) => {
    const plain = cors.strings('allowOrigin').map((value) => ({ kind: 'exact', value }) as const);
    const origins = cors.objects('allowOrigins', readCondition);
    return {
      allowOrigins: origins.length > 0 ? origins : plain,
      allowMethods: cors.strings('allowMethods'),
      allowHeaders: cors.strings('allowHeaders'),
      exposeHeaders: cors.strings('exposeHeaders'),
      maxAgeMs: readDuration(cors, 'maxAge'),
      allowCredentials: cors.boolean('allowCredentials') ?? false,
      unmatchedPreflights: cors.string('unmatchedPreflights'),
    };
  });
}
