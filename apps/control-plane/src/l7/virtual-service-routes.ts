/** VirtualService in the form of the contract. Spec: l7.md section 3.2. */
import { route } from '@ambit/api';
import type { HttpMatchRequest, HttpRetry, VirtualService, VirtualServiceRoute } from '@ambit/kube';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { corsOf, faultOf, redirectOf, rewriteOf } from './virtual-service-actions.ts';
import { duration, headerEdits } from './proto-text.ts';
import { defaultConditions, defaultMaxRetries } from './retry-defaults.ts';
import { backendOf, type DestinationScope, shares, weightedDestination } from './virtual-service-destination.ts';
import { canMatch, matchProblem, type RoutePlace, virtualServiceMatch } from './virtual-service-matches.ts';

type RouteInit = MessageInitShape<typeof route.HttpRouteSchema>;

/** Routes of a VirtualService at a place, in written order. `rules` are its own, with delegates put in. */
export function virtualServiceRoutes(
  { metadata }: Pick<VirtualService, 'metadata'>,
  rules: readonly VirtualServiceRoute[],
  place: RoutePlace,
  scope: DestinationScope,
): readonly route.HttpRoute[] {
  const { namespace, name } = metadata;
  return rules.flatMap((rule, index) => {
    const matches = rule.matches.filter(
      (match) => canMatch(match, namespace, place) && matchProblem(match) === undefined,
    );
    // Matches that cannot hold here are no reason to match everything.
    if (rule.matches.length > 0 && matches.length === 0) return [];
    const action = actionOf(rule, scope);
    if (action === undefined) return [];
    const routeOf = (some: readonly HttpMatchRequest[]): route.HttpRoute =>
      create(route.HttpRouteSchema, {
        name: routeName(rule, some, `${namespace}.${name}.${index}`),
        matches: matchesOf(rule, some),
        action,
        ...optionsOf(rule, scope),
        statisticsName: some[0]?.statPrefix ?? '',
      });
    return matches.length === 0 ? [routeOf([])] : countedTogether(matches).map(routeOf);
  });
}

/** Runs of matches that are counted under one name, in written order: each is a route of its own. */
function countedTogether(matches: readonly HttpMatchRequest[]): readonly (readonly HttpMatchRequest[])[] {
  const runs: HttpMatchRequest[][] = [];
  for (const match of matches) {
    const last = runs.at(-1);
    if (last === undefined || (last[0]?.statPrefix ?? '') !== (match.statPrefix ?? '')) runs.push([match]);
    else last.push(match);
  }
  return runs;
}

function routeName(rule: VirtualServiceRoute, matches: readonly HttpMatchRequest[], fallback: string): string {
  const ofMatch = matches.length === 1 ? matches[0]?.name : undefined;
  const parts = [rule.name, ofMatch].filter((part) => part !== undefined && part !== '');
  return parts.length === 0 ? fallback : parts.join('.');
}

function matchesOf(
  rule: VirtualServiceRoute,
  matches: readonly HttpMatchRequest[],
): MessageInitShape<typeof route.HttpMatchSchema>[] {
  const replacesPrefix = rule.rewrite?.uri !== undefined || rule.redirect?.prefixRewrite !== undefined;
  if (matches.length === 0 && replacesPrefix) return [{ path: { kind: { case: 'prefix', value: '/' } } }];
  return matches.map((match) => virtualServiceMatch(match, replacesPrefix));
}

/** Undefined for a rule that says nothing usable. */
function actionOf(rule: VirtualServiceRoute, scope: DestinationScope): RouteInit['action'] | undefined {
  if (rule.redirect !== undefined) {
    const redirect = redirectOf(rule.redirect, scope.listenerPort);
    return redirect === undefined ? undefined : { case: 'redirect', value: redirect };
  }
  if (rule.directResponse !== undefined) {
    const { status, body, bytes } = rule.directResponse;
    const content = bytes === undefined ? Buffer.from(body ?? '', 'utf8') : Buffer.from(bytes, 'base64');
    return { case: 'directResponse', value: { status, body: new Uint8Array(content) } };
  }
  const backends = shares(rule.destinations).map(({ destination, weight, headers }) => {
    const requestHeaders = headerEdits([headers.request]);
    const responseHeaders = headerEdits([headers.response]);
    return {
      ...weightedDestination(destination, weight, scope),
      ...(requestHeaders === undefined ? {} : { requestHeaders }),
      ...(responseHeaders === undefined ? {} : { responseHeaders }),
    };
  });
  return backends.length === 0 ? undefined : { case: 'forward', value: { backends } };
}

function optionsOf(rule: VirtualServiceRoute, scope: DestinationScope): RouteInit {
  const requestHeaders = headerEdits([rule.headers.request]);
  const responseHeaders = headerEdits([rule.headers.response]);
  const rewrite = rewriteOf(rule.rewrite);
  const fault = faultOf(rule.fault);
  const mirrors = rule.mirrors.flatMap(({ destination, percent = 100 }) => {
    const backend = backendOf(destination, scope);
    return backend === undefined || percent === 0 ? [] : [{ backend, perMillion: Math.round(percent * 10_000) }];
  });
  return {
    ...(requestHeaders === undefined ? {} : { requestHeaders }),
    ...(responseHeaders === undefined ? {} : { responseHeaders }),
    ...(rewrite === undefined ? {} : { rewrite }),
    ...(rule.timeoutMs === undefined || rule.timeoutMs === 0 ? {} : { timeout: duration(rule.timeoutMs) }),
    retries: retriesOf(rule.retries),
    ...(fault === undefined ? {} : { fault }),
    mirrors,
    ...(rule.cors === undefined ? {} : { cors: corsOf(rule.cors) }),
  };
}

function retriesOf(retry: HttpRetry | undefined): route.Retries {
  const words = (retry?.retryOn ?? '')
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  return create(route.RetriesSchema, {
    maxRetries: retry?.attempts ?? defaultMaxRetries,
    conditions: words.length > 0 ? words : [...defaultConditions],
    ...(retry?.perTryTimeoutMs === undefined || retry.perTryTimeoutMs === 0
      ? {}
      : { perTryTimeout: duration(retry.perTryTimeoutMs) }),
    ...(retry?.backoffMs === undefined ? {} : { backoffBase: duration(retry.backoffMs) }),
    reuseEndpoints: retry?.ignoresPreviousHosts === false,
    leaveHashedEndpoint: retry?.ignoresPreviousHosts === true,
    leaveTriedPlaces: retry?.goesToOtherPlaces ?? false,
  });
}
