/** Delegation of a VirtualService's routes to another one. Spec: l7.md section 3.2, delegate. */
import type { HttpMatchRequest, TextCondition, VirtualService, VirtualServiceRoute } from '@ambit/kube';

/** The rules of a VirtualService, those of delegates in place of what names them. One level only. */
export function withDelegates(
  root: VirtualService,
  find: (key: string) => VirtualService | undefined,
): readonly VirtualServiceRoute[] {
  return root.spec.http.flatMap((rule) => {
    if (rule.delegate === undefined) return [rule];
    const { name, namespace = root.metadata.namespace } = rule.delegate;
    const delegate = find(`${namespace}/${name}`);
    // A delegate has no hosts of its own; a rule that also routes is a mistake, and delegates nothing.
    if (delegate === undefined || delegate.spec.hosts.length > 0 || rule.destinations.length > 0) return [];
    return delegate.spec.http
      .filter((inner) => inner.delegate === undefined)
      .flatMap((inner) => combine(rule, inner) ?? []);
  });
}

function combine(outer: VirtualServiceRoute, inner: VirtualServiceRoute): VirtualServiceRoute | undefined {
  const matches = combineMatches(outer.matches, inner.matches);
  if (matches === undefined) return undefined;
  const names = [outer.name, inner.name].filter((name) => name !== undefined && name !== '');
  return {
    ...inner,
    name: names.length === 0 ? undefined : names.join('-'),
    matches,
    delegate: undefined,
    rewrite: inner.rewrite ?? outer.rewrite,
    timeoutMs: inner.timeoutMs ?? outer.timeoutMs,
    retries: inner.retries ?? outer.retries,
    fault: inner.fault ?? outer.fault,
    mirrors: inner.mirrors.length > 0 ? inner.mirrors : outer.mirrors,
    cors: inner.cors ?? outer.cors,
    directResponse: inner.directResponse ?? outer.directResponse,
    headers: {
      request: inner.headers.request ?? outer.headers.request,
      response: inner.headers.response ?? outer.headers.response,
    },
  };
}

/** Undefined when no request could meet both. */
function combineMatches(
  outer: readonly HttpMatchRequest[],
  inner: readonly HttpMatchRequest[],
): readonly HttpMatchRequest[] | undefined {
  if (outer.length === 0) return inner;
  if (inner.length === 0) return outer;
  const combined = outer.flatMap((a) => inner.flatMap((b) => combineMatch(a, b) ?? []));
  return combined.length === 0 ? undefined : combined;
}

function combineMatch(outer: HttpMatchRequest, inner: HttpMatchRequest): HttpMatchRequest | undefined {
  if (conflicts(outer.uri, inner.uri)) return undefined;
  if (conflicts(outer.method, inner.method) || conflicts(outer.scheme, inner.scheme)) return undefined;
  if (conflicts(outer.authority, inner.authority)) return undefined;
  if (outer.port !== undefined && inner.port !== undefined && outer.port !== inner.port) return undefined;
  return {
    name: [outer.name, inner.name].filter((name) => name !== undefined && name !== '').join('-') || undefined,
    statPrefix: inner.statPrefix || outer.statPrefix,
    uri: inner.uri ?? outer.uri,
    scheme: inner.scheme ?? outer.scheme,
    method: inner.method ?? outer.method,
    authority: inner.authority ?? outer.authority,
    headers: united(outer.headers, inner.headers),
    withoutHeaders: united(outer.withoutHeaders, inner.withoutHeaders),
    queryParams: united(outer.queryParams, inner.queryParams),
    ignoreUriCase: outer.ignoreUriCase || inner.ignoreUriCase,
    port: inner.port ?? outer.port,
    hasSourceLabels: outer.hasSourceLabels || inner.hasSourceLabels,
    sourceNamespace: inner.sourceNamespace ?? outer.sourceNamespace,
    gateways: inner.gateways.length > 0 ? inner.gateways : outer.gateways,
  };
}

/** The delegate's condition must be a part of the root's. Expressions are only compared as text. */
function conflicts(outer: TextCondition | undefined, inner: TextCondition | undefined): boolean {
  if (outer === undefined || inner === undefined || outer.kind === 'present' || inner.kind === 'present') return false;
  if (outer.kind === 'prefix' && inner.kind !== 'regex') return !inner.value.startsWith(outer.value);
  return outer.kind !== inner.kind || outer.value !== inner.value;
}

type NamedConditions = HttpMatchRequest['headers'];

function united(outer: NamedConditions, inner: NamedConditions): NamedConditions {
  const own = new Set(inner.map(([name]) => name));
  return [...outer.filter(([name]) => !own.has(name)), ...inner];
}
