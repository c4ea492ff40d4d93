import type { BackendObject } from '@ambit/kube';
import type { RouteProblem } from './route-problem.ts';

/** A service port that requests can be sent to. */
export interface BackendPort {
  readonly namespace: string;
  readonly hostname: string;
  readonly port: number;
}

export type ResolvedBackend =
  | ({ readonly kind: 'port' } & BackendPort)
  | { readonly kind: 'failed'; readonly problem: RouteProblem };

/** What is known of services, as one derivation sees it. */
export interface ServiceView {
  /** Host name of the service a backend is, in that namespace; undefined when there is none. */
  hostnameOf(
    backend: BackendObject,
    namespace: string,
  ): { readonly namespace: string; readonly hostname: string } | undefined;
  /** True when the service has a port of this number that is not for UDP. */
  hasPort(namespace: string, hostname: string, port: number): boolean;
  /** True when objects of this kind and namespace may refer to the backend. Spec: ReferenceGrant. */
  isGranted(
    from: { readonly group: string; readonly kind: string; readonly namespace: string },
    backend: BackendObject & { readonly namespace: string },
  ): boolean;
}

/** Who refers to a backend. */
export interface BackendReferrer {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  /** For routes of the mesh other namespaces are open. */
  readonly needsGrant: boolean;
}

const knownKinds: ReadonlySet<string> = new Set([
  '/Service',
  'networking.istio.io/Hostname',
  'networking.istio.io/ServiceEntry',
]);

/**
 * Finds the service port of a backend. A missing grant is told before anything else, so that nobody learns what exists
 * elsewhere. Spec: l7.md sections 1.4 and 1.5.
 */
export function resolveBackend(backend: BackendObject, referrer: BackendReferrer, view: ServiceView): ResolvedBackend {
  const namespace = backend.namespace ?? referrer.namespace;
  const isHostname = backend.group === 'networking.istio.io' && backend.kind === 'Hostname';
  if (!knownKinds.has(`${backend.group === 'core' ? '' : backend.group}/${backend.kind}`)) {
    const name = backend.group === '' ? backend.kind : `${backend.group}/${backend.kind}`;
    return failed('InvalidKind', `a backend of kind ${name} is not known; use Service`);
  }
  if (referrer.needsGrant && !isHostname && namespace !== referrer.namespace) {
    if (!view.isGranted(referrer, { ...backend, namespace })) {
      const message = `${backend.kind} ${namespace}/${backend.name} may not be referred to from namespace ${referrer.namespace}; a ReferenceGrant there would allow it`;
      return failed('RefNotPermitted', message);
    }
  }
  if (backend.port === undefined) {
    return failed('InvalidDestination', `backend ${backend.name} needs a port`);
  }
  const found = view.hostnameOf(backend, namespace);
  if (found === undefined) return failed('BackendNotFound', `there is no ${backend.kind} ${namespace}/${backend.name}`);
  if (!view.hasPort(found.namespace, found.hostname, backend.port)) {
    return failed('BackendNotFound', `${backend.kind} ${namespace}/${backend.name} has no port ${backend.port}`);
  }
  return { kind: 'port', ...found, port: backend.port };
}

function failed(reason: RouteProblem['reason'], message: string): ResolvedBackend {
  return { kind: 'failed', problem: { condition: 'ResolvedRefs', reason, message } };
}
