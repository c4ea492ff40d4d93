import type { route } from '@ambit/api';
import type { RouteDestination } from '@ambit/kube';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { MeshSettings } from '../mesh-settings.ts';
import { fullHost } from './host-names.ts';

/** What is known of hosts, as one derivation sees it. */
export interface HostView {
  /** The service that a host means to objects of a namespace; undefined when nobody knows it. */
  serviceOf(
    host: string,
    namespace: string,
  ): { readonly namespace: string; readonly hostname: string; readonly ports: readonly number[] } | undefined;
  /** True when a destination rule defines the subset. */
  hasSubset(namespace: string, hostname: string, subset: string): boolean;
}

export interface DestinationScope {
  readonly view: HostView;
  /** Namespace of the object that names the destination. */
  readonly namespace: string;
  /** Port on which requests arrive; counts where a service has several and none is named. */
  readonly listenerPort: number;
  readonly settings: MeshSettings;
}

/** The service port a destination means; undefined when there is no such host or subset. Spec: l7.md section 3.2. */
export function backendOf(
  destination: RouteDestination,
  { view, namespace, listenerPort, settings }: DestinationScope,
): MessageInitShape<typeof route.BackendRefSchema> | undefined {
  const service = view.serviceOf(fullHost(destination.host, namespace, settings), namespace);
  if (service === undefined) return undefined;
  const { subset = '' } = destination;
  if (subset !== '' && !view.hasSubset(service.namespace, service.hostname, subset)) return undefined;
  const [only] = service.ports;
  const port = destination.port ?? (service.ports.length === 1 && only !== undefined ? only : listenerPort);
  if (!service.ports.includes(port)) return undefined;
  return { namespace: service.namespace, hostname: service.hostname, port, subset };
}

/** A share of requests for a destination; one that cannot be found answers 503. */
export function weightedDestination(
  destination: RouteDestination,
  weight: number,
  scope: DestinationScope,
): MessageInitShape<typeof route.WeightedBackendSchema> {
  const backend = backendOf(destination, scope);
  return backend === undefined
    ? { weight, target: { case: 'failureStatus', value: 503 } }
    : { weight, target: { case: 'backend', value: backend } };
}

/** Entries with a share. A single destination gets everything, whatever its weight says. */
export function shares<T extends { readonly weight: number }>(entries: readonly T[]): readonly T[] {
  const [only] = entries;
  if (entries.length === 1 && only !== undefined) return [{ ...only, weight: only.weight === 0 ? 1 : only.weight }];
  return entries.filter(({ weight }) => weight > 0);
}
