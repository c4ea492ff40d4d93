/** A route, from its message to the form in which it is used. Order is the control plane's. */
import type { route as messages } from '@ambit/api';
import {
  compileRegex,
  type CorsRules,
  defaultRetryPolicy,
  type FaultRules,
  type OriginMatch,
  parseRetryOn,
  type PathRewrite,
  type Redirect,
  type RedirectPort,
  WeightedChoice,
} from '@ambit/routing';

import { type BackendTarget, type ServiceTarget, serviceTarget } from './backend-target.ts';
import { compileMatch, pathKeyOf } from './compile-match.ts';
import { durationMs, limitMs } from './duration.ts';
import { compileHeaderEdits } from './header-edits.ts';
import type { Problems } from './problems.ts';
import { compileRateLimits } from './rate-limit.ts';
import {
  type CompiledRoute,
  type ForwardAction,
  plainForward,
  type RouteAction,
  type RouteBackend,
  type RouteRetries,
  type RouteRewrite,
} from './route.ts';
import { compileSession } from './session-persistence.ts';

/** Istio's default, where a route says nothing of retries. */
const defaultRetries: RouteRetries = {
  policy: defaultRetryPolicy,
  reusesEndpoints: false,
  leavesHashedEndpoint: false,
  leavesTriedPlaces: false,
};
/** Largest body of a direct response. */
const maxDirectBodyBytes = 1024 * 1024;
const maxPerMillion = 1_000_000;

export function compileRoute(message: messages.HttpRoute, place: string, problems: Problems): CompiledRoute {
  const tests = message.matches.flatMap((match, i) => {
    const test = problems.attempt(`${place} match ${i}`, () => compileMatch(match));
    // With one match missing the rest would mean something else; but then the resource is refused as a whole.
    return test === undefined ? [] : [test];
  });
  return {
    name: message.name === '' ? 'default' : message.name,
    tests,
    pathKeys: message.matches.map(({ path }) => pathKeyOf(path)),
    action: compileAction(message.action, place, problems),
    requestHeaders: compileHeaderEdits(message.requestHeaders, place, problems),
    responseHeaders: compileHeaderEdits(message.responseHeaders, place, problems),
    rewrite: compileRewrite(message.rewrite, place, problems),
    timeoutMs: limitMs(message.timeout),
    retries: compileRetries(message.retries, place, problems),
    fault: compileFault(message.fault, place, problems),
    mirrors: message.mirrors.flatMap(({ backend, perMillion }) =>
      backend === undefined ? [] : [{ backend: targetOf(backend), perMillion: Math.min(perMillion, maxPerMillion) }],
    ),
    cors: compileCors(message.cors, place, problems),
    session: compileSession(message.session, place, problems),
    limits: compileRateLimits(message.rateLimits, place, problems),
    statisticsName: message.statisticsName === '' ? undefined : message.statisticsName,
  };
}

/** What happens where nothing is configured: everything to one backend. */
export function plainRoute(backend: BackendTarget): CompiledRoute {
  return {
    name: 'default',
    tests: [],
    pathKeys: [],
    action: plainForward(backend),
    requestHeaders: undefined,
    responseHeaders: undefined,
    rewrite: undefined,
    timeoutMs: undefined,
    retries: defaultRetries,
    fault: undefined,
    mirrors: [],
    cors: undefined,
    session: undefined,
    limits: [],
    statisticsName: undefined,
  };
}

/** Alternatives and whose turn it is. Entries of weight 0 are left out unless there is one entry only. */
export function compileBackends(
  entries: readonly messages.WeightedBackend[],
  place: string,
  problems: Problems,
): ForwardAction {
  // The weight of a single backend means nothing (Istio), but that of a single Gateway API backend does: the control
  // plane leaves such a backend out or gives it a weight.
  const used = entries.length === 1 ? entries : entries.filter(({ weight }) => weight > 0);
  const backends = used.map((entry): RouteBackend => {
    const requestHeaders = compileHeaderEdits(entry.requestHeaders, place, problems);
    const responseHeaders = compileHeaderEdits(entry.responseHeaders, place, problems);
    const { target } = entry;
    if (target.case === 'backend') {
      return { target: { kind: 'backend', backend: targetOf(target.value) }, requestHeaders, responseHeaders };
    }
    const status = target.case === 'failureStatus' ? target.value : 500;
    if (!isErrorStatus(status)) problems.bad(place, `${status} is no status for a backend that cannot be used`);
    return { target: { kind: 'failed', status }, requestHeaders, responseHeaders };
  });
  const choice = backends.length < 2 ? undefined : new WeightedChoice(used.map(({ weight }) => weight));
  return { kind: 'forward', backends, choice };
}

function targetOf({ namespace, hostname, port, subset }: messages.BackendRef): ServiceTarget {
  return serviceTarget(namespace, hostname, port, subset);
}

function compileAction(action: messages.HttpRoute['action'], place: string, problems: Problems): RouteAction {
  switch (action.case) {
    case 'forward':
      return compileBackends(action.value.backends, place, problems);
    case 'redirect':
      return { kind: 'redirect', redirect: compileRedirect(action.value, place, problems) };
    case 'directResponse': {
      const { status, body } = action.value;
      if (status < 200 || status > 599) problems.bad(place, `${status} is no status for a direct response`);
      if (body.length > maxDirectBodyBytes) problems.bad(place, 'a direct response of more than 1 MiB');
      return { kind: 'direct', status, body };
    }
    case undefined:
      problems.bad(place, 'a route without an action that is known here');
      return { kind: 'forward', backends: [], choice: undefined };
  }
}

function compileRedirect(message: messages.Redirect, place: string, problems: Problems): Redirect {
  const { status } = message;
  if (![301, 302, 303, 307, 308].includes(status)) problems.bad(place, `${status} is no status for a redirect`);
  return {
    scheme: message.scheme === '' ? undefined : message.scheme,
    host: message.host === '' ? undefined : message.host,
    port: redirectPort(message.port),
    path: compilePathRewrite(message.path, place, problems),
    status,
  };
}

function redirectPort(port: messages.Redirect['port']): RedirectPort {
  switch (port.case) {
    case 'number':
      return { kind: 'number', port: port.value };
    case 'ofScheme':
      return { kind: 'scheme' };
    case 'ofListener':
      return { kind: 'listener', port: port.value };
    case 'ofRequest':
    case undefined:
      return { kind: 'request' };
  }
}

function compileRewrite(
  message: messages.Rewrite | undefined,
  place: string,
  problems: Problems,
): RouteRewrite | undefined {
  if (message === undefined) return undefined;
  const path = compilePathRewrite(message, place, problems);
  const authority = message.authority === '' ? undefined : message.authority;
  if (authority !== undefined && !isAuthority(authority)) problems.bad(place, `${authority} is no authority`);
  return path === undefined && authority === undefined ? undefined : { authority, path };
}

function compilePathRewrite(
  message: messages.Rewrite | undefined,
  place: string,
  problems: Problems,
): PathRewrite | undefined {
  const path = message?.path;
  if (path?.case === undefined) return undefined;
  const text = path.case === 'regex' ? path.value.substitution : path.value;
  if (!isTargetText(text)) {
    problems.bad(place, `a path cannot become ${JSON.stringify(text)}`);
    return undefined;
  }
  switch (path.case) {
    case 'full':
      return { kind: 'full', path: path.value };
    case 'prefix':
      return { kind: 'prefix', replacement: path.value };
    case 'text':
      return { kind: 'text', replacement: path.value };
    case 'regex': {
      const { pattern } = path.value;
      const regex = problems.attempt(place, () => compileRegex(pattern));
      return regex === undefined ? undefined : { kind: 'regex', regex, substitution: javaScriptSubstitution(text) };
    }
  }
}

/** RE2's `\0` to `\9` and `\\` as re2js writes them; a dollar sign is text. Two digits, as a third one is text again. */
function javaScriptSubstitution(substitution: string): string {
  return substitution.replace(/\$|\\(.)/g, (whole, escaped: string | undefined) => {
    if (whole === '$') return '$$';
    if (escaped === '0') return '$&';
    return escaped !== undefined && /[1-9]/.test(escaped) ? `$0${escaped}` : (escaped ?? '');
  });
}

function compileRetries(message: messages.Retries | undefined, place: string, problems: Problems): RouteRetries {
  if (message === undefined) return defaultRetries;
  const { conditions, statusCodes, unknown } = parseRetryOn(message.conditions.join(','));
  if (unknown.length > 0) problems.warn(place, `unknown retry conditions: ${unknown.join(', ')}`);
  const isDefault = message.conditions.length === 0;
  return {
    policy: {
      maxRetries: message.maxRetries,
      conditions: isDefault ? defaultRetryPolicy.conditions : conditions,
      statusCodes,
      perTryTimeoutMs: limitMs(message.perTryTimeout),
      backoffBaseMs: limitMs(message.backoffBase) ?? defaultRetryPolicy.backoffBaseMs,
    },
    reusesEndpoints: message.reuseEndpoints,
    leavesHashedEndpoint: message.leaveHashedEndpoint,
    leavesTriedPlaces: message.leaveTriedPlaces,
  };
}

function compileFault(message: messages.Fault | undefined, place: string, problems: Problems): FaultRules | undefined {
  if (message === undefined) return undefined;
  const { abortStatus, abortPerMillion, hasGrpcStatus, abortGrpcStatus } = message;
  if (abortPerMillion > 0 && !hasGrpcStatus && (abortStatus < 200 || abortStatus > 599)) {
    problems.bad(place, `${abortStatus} is no status for an injected fault`);
  }
  return {
    delayMs: durationMs(message.delay) ?? 0,
    delayPerMillion: message.delayPerMillion,
    abortPerMillion,
    // Envoy: requests that are not gRPC get 200.
    abortStatus: hasGrpcStatus && abortStatus === 0 ? 200 : abortStatus,
    abortGrpcStatus: hasGrpcStatus ? abortGrpcStatus : undefined,
  };
}

function compileCors(message: messages.Cors | undefined, place: string, problems: Problems): CorsRules | undefined {
  if (message === undefined) return undefined;
  const maxAgeMs = durationMs(message.maxAge);
  return {
    allowOrigins: message.allowOrigins.flatMap((origin) => {
      const match = problems.attempt(place, () => originMatch(origin));
      return match === undefined ? [] : [match];
    }),
    allowMethods: message.allowMethods,
    allowHeaders: message.allowHeaders,
    exposeHeaders: message.exposeHeaders,
    maxAgeSec: maxAgeMs === undefined ? undefined : Math.floor(maxAgeMs / 1000),
    allowsCredentials: message.allowCredentials,
    forwardsUnmatchedPreflights: message.forwardUnmatchedPreflights,
  };
}

function originMatch({ kind }: messages.OriginMatch): OriginMatch {
  switch (kind.case) {
    case 'exact':
      return { kind: 'exact', value: kind.value };
    case 'prefix':
      return { kind: 'prefix', value: kind.value };
    case 'regex':
      return { kind: 'regex', regex: compileRegex(kind.value) };
    case 'wildcard':
      return { kind: 'wildcard', pattern: kind.value };
    case undefined:
      throw new RangeError('a condition on the origin without a kind that is known here');
  }
}

function isErrorStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 400 && status <= 599;
}

/** Text that may stand in a request target without ending it. */
function isTargetText(text: string): boolean {
  return /^[\x21-\x7e]*$/.test(text);
}

function isAuthority(text: string): boolean {
  return /^[A-Za-z0-9._~!$&'()*+,;=:%[\]-]+$/.test(text);
}
