import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readDuration } from './duration.ts';
import { type PolicyTarget, readTargets } from './policy-target.ts';
import { readConditions, type StatusCondition } from './status-condition.ts';
import { readSelector, type WorkloadSelector } from './workload-selector.ts';

/** Where a token is looked for, and whose it must be. */
export interface JwtRuleSpec {
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly jwksUri: string | undefined;
  readonly jwks: string | undefined;
  readonly fromHeaders: readonly { readonly name: string; readonly prefix: string }[];
  readonly fromParams: readonly string[];
  readonly fromCookies: readonly string[];
  readonly forwardOriginalToken: boolean;
  readonly outputPayloadToHeader: string | undefined;
  readonly outputClaimToHeaders: readonly { readonly header: string; readonly claim: string }[];
  readonly spaceDelimitedClaims: readonly string[];
  /** Of fetching keys, milliseconds. */
  readonly timeoutMs: number | undefined;
}

/** Which tokens of end users are accepted. */
export interface RequestAuthentication extends ResourceBase<'RequestAuthentication'> {
  readonly spec: {
    readonly selector: WorkloadSelector | undefined;
    readonly targets: readonly PolicyTarget[];
    readonly jwtRules: readonly JwtRuleSpec[];
  };
  readonly status: { readonly conditions: readonly StatusCondition[] };
}

export function readRequestAuthentication(
  reader: ObjectReader,
  metadata: ObjectMeta,
  origin: Location,
): RequestAuthentication {
  const spec = reader.object('spec', (body) => ({
    selector: readSelector(body),
    targets: readTargets(body),
    jwtRules: body.objects('jwtRules', readRule),
  }));
  return {
    kind: 'RequestAuthentication',
    metadata,
    origin,
    spec: spec ?? { selector: undefined, targets: [], jwtRules: [] },
    status: { conditions: readConditions(reader) },
  };
}

function readRule(reader: ObjectReader): JwtRuleSpec {
  const jwks = reader.string('jwks');
  const jwksUri = reader.string('jwksUri') ?? reader.string('jwks_uri');
  if (jwks !== undefined && jwksUri !== undefined)
    reader.error('jwks', 'cannot be combined with jwksUri; keep one of the two');
  if (jwksUri !== undefined && !/^https?:\/\/[^\s]+$/.test(jwksUri)) {
    reader.error('jwksUri', `must be an http or https URL, not "${jwksUri}"`);
  }
  return {
    issuer: reader.requiredString('issuer'),
    audiences: reader.strings('audiences'),
    jwks,
    jwksUri,
    fromHeaders: reader.objects('fromHeaders', (place) => ({
      name: place.requiredString('name'),
      prefix: place.string('prefix') ?? '',
    })),
    fromParams: reader.strings('fromParams'),
    fromCookies: reader.strings('fromCookies'),
    forwardOriginalToken: reader.boolean('forwardOriginalToken') ?? false,
    outputPayloadToHeader: reader.string('outputPayloadToHeader'),
    outputClaimToHeaders: reader.objects('outputClaimToHeaders', (output) => ({
      header: output.requiredString('header'),
      claim: output.requiredString('claim'),
    })),
    spaceDelimitedClaims: reader.strings('spaceDelimitedClaims'),
    timeoutMs: readDuration(reader, 'timeout'),
  };
}
