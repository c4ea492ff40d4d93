/** HTTPRoute and GRPCRoute in the form of the contract. Spec: l7.md sections 1.5 and 1.6. */
import { type limit, route } from '@ambit/api';
import {
  gatewayGroup,
  type GRPCRoute,
  type HTTPRoute,
  type HttpRouteRule,
  type RouteBackend,
  type SessionPersistenceSpec,
} from '@ambit/kube';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type BackendReferrer, resolveBackend, type ServiceView } from './backend-lookup.ts';
import { grpcMatch, httpMatch, type RankedMatch } from './gateway-api-matches.ts';
import { filterEffects, type FilterScope } from './http-route-filters.ts';
import { duration } from './proto-text.ts';
import { defaultRetries, retriesOfRule } from './retry-defaults.ts';
import type { ProblemList } from './route-problem.ts';
import type { RankedRoute } from './route-rank.ts';
import { sessionPersistence } from './session-persistence.ts';

export interface RouteSurroundings {
  readonly view: ServiceView;
  /** Routes of the mesh may name backends of every namespace, those of gateways only granted ones. */
  readonly place: 'mesh' | 'gateway';
  /** Port on which requests arrive. */
  readonly listenerPort: number;
  /** Of the route. */
  readonly rateLimits: readonly limit.RateLimit[];
  /** Gets what is wrong with the route. */
  readonly problems: ProblemList;
}

type RouteInit = MessageInitShape<typeof route.HttpRouteSchema>;

/** Routes of an HTTPRoute, one for each match, in written order. */
export function httpRoutes(resource: HTTPRoute, surroundings: RouteSurroundings): readonly RankedRoute[] {
  return resource.spec.rules.flatMap((rule, index) => {
    const { requestTimeoutMs = 0, backendRequestTimeoutMs = 0 } = rule;
    const common = ruleRoute(resource, rule, index, surroundings);
    common.retries = retriesOfRule(rule.retry, backendRequestTimeoutMs);
    if (requestTimeoutMs > 0) common.timeout = duration(requestTimeoutMs);
    const matches = rule.matches.length > 0 ? rule.matches : [anyRequest];
    return ranked(
      common,
      matches.map((match) => httpMatch(match, surroundings.problems)),
      { spec: rule.session, problems: surroundings.problems },
    );
  });
}

const anyRequest: HTTPRoute['spec']['rules'][number]['matches'][number] = {
  path: undefined,
  headers: [],
  queryParams: [],
  method: undefined,
};

/** Routes of a GRPCRoute, one for each match, in written order. */
export function grpcRoutes(resource: GRPCRoute, surroundings: RouteSurroundings): readonly RankedRoute[] {
  return resource.spec.rules.flatMap((rule, index) => {
    const common = ruleRoute(resource, rule, index, surroundings);
    common.retries = defaultRetries();
    const matches = rule.matches.length > 0 ? rule.matches : [{ method: undefined, headers: [] }];
    return ranked(
      common,
      matches.map((match) => grpcMatch(match, surroundings.problems)),
      { spec: rule.session, problems: surroundings.problems },
    );
  });
}

/** Each match takes its own place among all routes. */
function ranked(
  common: RouteInit,
  matches: readonly (RankedMatch | undefined)[],
  session: { readonly spec: SessionPersistenceSpec | undefined; readonly problems: ProblemList },
): readonly RankedRoute[] {
  return matches
    .filter((match) => match !== undefined)
    .map(({ rank, match }) => {
      const kept = sessionPersistence(session.spec, common.name ?? '', match, session.problems);
      const message = create(route.HttpRouteSchema, { ...common, matches: [match] });
      if (kept !== undefined) message.session = kept;
      return { rank, route: message };
    });
}

/** Everything of a rule but its matches. */
function ruleRoute(
  resource: HTTPRoute | GRPCRoute,
  rule: Pick<HttpRouteRule, 'name' | 'filters' | 'backends'>,
  index: number,
  { view, place, listenerPort, problems, rateLimits }: RouteSurroundings,
): RouteInit {
  const { kind, metadata } = resource;
  const referrer = { group: gatewayGroup, kind, namespace: metadata.namespace, needsGrant: place === 'gateway' };
  const scope: FilterScope = { referrer, view, listenerPort, problems };
  const effects = filterEffects(rule.filters, scope);
  const name = rule.name ?? `${metadata.namespace}.${metadata.name}.${index}`;
  const backends = rule.backends.map((backend) => weightedBackend(backend, referrer, scope));
  // A rule whose filters cannot be carried out is not served without them.
  if (effects.isUnusable) return { name, action: { case: 'directResponse', value: { status: 500 } } };
  const { requestHeaders, responseHeaders, rewrite, redirect, cors, mirrors } = effects;
  return {
    name,
    action:
      redirect === undefined
        ? { case: 'forward', value: { backends: usable(backends) } }
        : { case: 'redirect', value: redirect },
    ...(requestHeaders === undefined ? {} : { requestHeaders }),
    ...(responseHeaders === undefined ? {} : { responseHeaders }),
    ...(rewrite === undefined ? {} : { rewrite }),
    ...(cors === undefined ? {} : { cors }),
    mirrors: [...mirrors],
    rateLimits: [...rateLimits],
  };
}

type BackendInit = MessageInitShape<typeof route.WeightedBackendSchema>;

/** Backends with a share; without any, every request of the rule fails. */
function usable(backends: readonly BackendInit[]): BackendInit[] {
  const weighty = backends.filter(({ weight = 0 }) => weight > 0);
  return weighty.length > 0 ? weighty : [{ weight: 1, target: { case: 'failureStatus', value: 500 } }];
}

/** A backend; what is wrong with it costs its share of requests only. */
function weightedBackend(backend: RouteBackend, referrer: BackendReferrer, scope: FilterScope): BackendInit {
  const { weight } = backend;
  const failed: BackendInit = { weight, target: { case: 'failureStatus', value: 500 } };
  const resolved = resolveBackend(backend, referrer, scope.view);
  if (resolved.kind === 'failed') {
    scope.problems.push(resolved.problem);
    return failed;
  }
  const modifiers = backend.filters.filter(
    ({ kind }) => kind === 'RequestHeaderModifier' || kind === 'ResponseHeaderModifier',
  );
  const other = backend.filters.find((filter) => !modifiers.includes(filter));
  if (other !== undefined) {
    const type = other.kind === 'unknown' ? other.type : other.kind;
    const message = `filter ${type} is not supported on a backend; use it on the rule`;
    scope.problems.push({ condition: 'ResolvedRefs', reason: 'InvalidFilter', message });
    return failed;
  }
  const { requestHeaders, responseHeaders } = filterEffects(modifiers, scope);
  const { namespace, hostname, port } = resolved;
  return {
    weight,
    target: { case: 'backend', value: { namespace, hostname, port } },
    ...(requestHeaders === undefined ? {} : { requestHeaders }),
    ...(responseHeaders === undefined ? {} : { responseHeaders }),
  };
}
