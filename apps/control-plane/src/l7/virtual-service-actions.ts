import { route } from '@ambit/api';
import { grpcCodeOf } from '@ambit/grpc';
import type { CorsPolicy, FaultSpec, HttpRedirectSpec, HttpRewriteSpec, TextCondition } from '@ambit/kube';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { duration } from './proto-text.ts';
import { patternProblem } from './usable-pattern.ts';

const redirectCodes: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Undefined for a status that is no redirect: the rule is unusable then. `listenerPort`: on which requests arrive. */
export function redirectOf(redirect: HttpRedirectSpec, listenerPort: number): route.Redirect | undefined {
  // Istio: 0 is unset.
  const status = redirect.code === undefined || redirect.code === 0 ? 301 : redirect.code;
  if (!redirectCodes.has(status)) return undefined;
  const path = ((): route.Rewrite['path'] => {
    if (redirect.uri !== undefined && redirect.uri !== '') return { case: 'full', value: redirect.uri };
    if (redirect.prefixRewrite !== undefined) return { case: 'text', value: redirect.prefixRewrite };
    return { case: undefined };
  })();
  return create(route.RedirectSchema, {
    scheme: redirect.scheme ?? '',
    host: redirect.authority ?? '',
    port: portOf(redirect, listenerPort),
    ...(path.case === undefined ? {} : { path: { path } }),
    status,
  });
}

function portOf({ port, derivePort }: HttpRedirectSpec, listenerPort: number): route.Redirect['port'] {
  if (port !== undefined) return { case: 'number', value: port };
  switch (derivePort) {
    case 'FROM_PROTOCOL_DEFAULT':
      return { case: 'ofScheme', value: true };
    case 'FROM_REQUEST_PORT':
      // Istio: the port that the client has dialled, whatever its Host says.
      return { case: 'ofListener', value: listenerPort };
    default:
      return { case: 'ofRequest', value: true };
  }
}

/** A rewritten path is put in place of what was matched: a prefix, or all of it. */
export function rewriteOf(rewrite: HttpRewriteSpec | undefined): route.Rewrite | undefined {
  if (rewrite === undefined) return undefined;
  const { uri, authority, regex } = rewrite;
  const path = ((): route.Rewrite['path'] => {
    if (regex !== undefined && patternProblem(regex.match) === undefined) {
      return {
        case: 'regex',
        value: create(route.RegexSubstitutionSchema, { pattern: regex.match, substitution: regex.rewrite }),
      };
    }
    return uri === undefined || uri === '' ? { case: undefined } : { case: 'text', value: uri };
  })();
  return create(route.RewriteSchema, { authority: authority ?? '', path });
}

/** Without a percentage nothing happens. */
export function faultOf(fault: FaultSpec | undefined): route.Fault | undefined {
  if (fault === undefined) return undefined;
  const { delay, abort } = fault;
  const share = (percent: number | undefined): number => Math.round((percent ?? 0) * 10_000);
  const grpcStatus = abort?.grpcStatus === undefined ? -1 : grpcCodeOf(abort.grpcStatus);
  return create(route.FaultSchema, {
    ...(delay === undefined ? {} : { delay: duration(delay.fixedMs), delayPerMillion: share(delay.percent) }),
    abortStatus: abort?.httpStatus ?? 0,
    abortGrpcStatus: Math.max(grpcStatus, 0),
    hasGrpcStatus: grpcStatus >= 0,
    abortPerMillion: abort?.httpStatus === undefined && grpcStatus < 0 ? 0 : share(abort?.percent),
  });
}

export function corsOf(cors: CorsPolicy): MessageInitShape<typeof route.CorsSchema> {
  return {
    allowOrigins: cors.allowOrigins.flatMap(originMatch),
    allowMethods: [...cors.allowMethods],
    allowHeaders: [...cors.allowHeaders],
    exposeHeaders: [...cors.exposeHeaders],
    ...(cors.maxAgeMs === undefined ? {} : { maxAge: duration(cors.maxAgeMs) }),
    allowCredentials: cors.allowCredentials,
    forwardUnmatchedPreflights: cors.unmatchedPreflights !== 'IGNORE',
  };
}

function originMatch(origin: TextCondition): MessageInitShape<typeof route.OriginMatchSchema>[] {
  if (origin.kind === 'present') return [];
  // Any origin, in the words of both APIs.
  if (origin.kind === 'exact' && origin.value === '*') return [{ kind: { case: 'wildcard', value: '*' } }];
  if (origin.kind === 'regex' && patternProblem(origin.value) !== undefined) return [];
  return [{ kind: { case: origin.kind, value: origin.value } }];
}
