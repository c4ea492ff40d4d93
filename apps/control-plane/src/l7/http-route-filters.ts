import { route } from '@ambit/api';
import type { CorsRule, PathModifier, RouteFilter } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import { type BackendReferrer, resolveBackend, type ServiceView } from './backend-lookup.ts';
import { duration, headerEdits } from './proto-text.ts';
import type { ProblemList } from './route-problem.ts';

/** What the filters of a rule make of its requests. */
export interface FilterEffects {
  readonly requestHeaders: route.HeaderEdits | undefined;
  readonly responseHeaders: route.HeaderEdits | undefined;
  readonly redirect: route.Redirect | undefined;
  readonly rewrite: route.Rewrite | undefined;
  readonly mirrors: readonly route.Mirror[];
  readonly cors: route.Cors | undefined;
  /** A filter cannot be carried out; requests must not be served without it. */
  readonly isUnusable: boolean;
}

export interface FilterScope {
  readonly referrer: BackendReferrer;
  readonly view: ServiceView;
  /** Port on which the request arrives, for redirects that name none. */
  readonly listenerPort: number;
  readonly problems: ProblemList;
}

const redirectCodes: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** The filters of a rule or of a backend. Spec: l7.md section 1.5. */
export function filterEffects(filters: readonly RouteFilter[], scope: FilterScope): FilterEffects {
  const { problems } = scope;
  const ofKind = <K extends RouteFilter['kind']>(kind: K): readonly Extract<RouteFilter, { kind: K }>[] =>
    filters.filter((filter): filter is Extract<RouteFilter, { kind: K }> => filter.kind === kind);
  let isUnusable = false;
  const refuse = (reason: 'InvalidFilter' | 'IncompatibleFilters' | 'UnsupportedValue', message: string): undefined => {
    isUnusable = true;
    problems.push({ condition: reason === 'InvalidFilter' ? 'ResolvedRefs' : 'Accepted', reason, message });
  };
  for (const { type } of ofKind('unknown')) refuse('InvalidFilter', `filter ${type} is not supported`);
  const [redirect] = ofKind('RequestRedirect');
  const [rewrite] = ofKind('URLRewrite');
  const [cors] = ofKind('CORS');
  if (redirect !== undefined && rewrite !== undefined) {
    refuse('IncompatibleFilters', 'RequestRedirect and URLRewrite cannot be combined; keep one of the two');
  }
  const pathOf = (path: PathModifier | undefined): route.Rewrite['path'] => {
    if (path?.type === 'ReplaceFullPath') return { case: 'full', value: path.value };
    if (path?.type === 'ReplacePrefixMatch') return { case: 'prefix', value: path.value };
    if (path !== undefined) refuse('UnsupportedValue', `path type ${path.type} is not known`);
    return { case: undefined };
  };
  const status = redirect?.statusCode ?? 302;
  if (redirect !== undefined && !redirectCodes.has(status))
    refuse('UnsupportedValue', `redirects cannot have status ${status}`);
  return {
    requestHeaders: headerEdits(ofKind('RequestHeaderModifier').map(({ changes }) => changes)),
    responseHeaders: headerEdits(ofKind('ResponseHeaderModifier').map(({ changes }) => changes)),
    redirect:
      redirect === undefined
        ? undefined
        : create(route.RedirectSchema, {
            scheme: redirect.scheme?.toLowerCase() ?? '',
            host: redirect.hostname ?? '',
            port: redirectPort(redirect, scope.listenerPort),
            ...(redirect.path === undefined ? {} : { path: { path: pathOf(redirect.path) } }),
            status,
          }),
    rewrite:
      rewrite === undefined
        ? undefined
        : create(route.RewriteSchema, { authority: rewrite.hostname ?? '', path: pathOf(rewrite.path) }),
    mirrors: mirrorsOf(ofKind('RequestMirror'), scope),
    cors: cors === undefined ? undefined : corsOf(cors.cors),
    isUnusable,
  };
}

function redirectPort(
  { port, scheme }: Pick<Extract<RouteFilter, { kind: 'RequestRedirect' }>, 'port' | 'scheme'>,
  listenerPort: number,
): route.Redirect['port'] {
  if (port !== undefined) return { case: 'number', value: port };
  return scheme === undefined ? { case: 'ofListener', value: listenerPort } : { case: 'ofScheme', value: true };
}

/** A mirror that cannot be reached is left out; nothing else changes. */
function mirrorsOf(
  filters: readonly Extract<RouteFilter, { kind: 'RequestMirror' }>[],
  { referrer, view, problems }: FilterScope,
): readonly route.Mirror[] {
  return filters.flatMap(({ backend, perMillion }) => {
    const resolved = resolveBackend(backend, referrer, view);
    if (resolved.kind === 'failed') {
      problems.push(resolved.problem);
      return [];
    }
    const { namespace, hostname, port } = resolved;
    return [create(route.MirrorSchema, { backend: { namespace, hostname, port }, perMillion })];
  });
}

function corsOf(cors: CorsRule): route.Cors {
  return create(route.CorsSchema, {
    allowOrigins: cors.allowOrigins.map((value) => ({ kind: { case: 'wildcard' as const, value } })),
    allowMethods: [...cors.allowMethods],
    allowHeaders: [...cors.allowHeaders],
    exposeHeaders: [...cors.exposeHeaders],
    maxAge: duration((cors.maxAge ?? 5) * 1_000),
    allowCredentials: cors.allowCredentials,
  });
}
