/** Listeners of ingress gateways with their certificates, kept up to date apart from routes. Spec: l7.md section 1.1. */
import { type Collection, derive, type Graph } from '@ambit/collections';
import { gatewayGroup, type Labels } from '@ambit/kube';
import type { MeshReads } from '../derive/mesh-reads.ts';
import type { MeshObjects } from '../derive/mesh-objects.ts';
import { type KeyPairPem, keyPairOf, type MaterialProblem, type MaterialView } from './key-material.ts';
import type { L7Gateway } from './l7-gateway.ts';
import { gatewayOfSet, type JudgedSet, judgeSets } from './listener-owner.ts';
import { type PlannedListener, planListeners } from './listener-plan.ts';
import type { MeshView } from './mesh-view.ts';

/** The listeners of one gateway. */
export interface GatewayListeners {
  /** Of the gateway. */
  readonly key: string;
  readonly listeners: readonly PlannedListener[];
  /** ListenerSets that name the gateway, oldest first. */
  readonly sets: readonly JudgedSet[];
  /** What backends with TLS are shown; undefined: nothing, perhaps because of the problem. */
  readonly backendCertificate: KeyPairPem | undefined;
  readonly backendCertificateProblem: MaterialProblem | undefined;
}

const none: Omit<GatewayListeners, 'key'> = {
  listeners: [],
  sets: [],
  backendCertificate: undefined,
  backendCertificateProblem: undefined,
};

/** A collection of its own: certificates are read once, whatever happens to routes. */
export class ListenerFinder {
  readonly #planned: Collection<GatewayListeners>;

  constructor(graph: Graph, gateways: Collection<L7Gateway>, objects: MeshObjects, view: MeshView) {
    const byGateway = objects.ListenerSet.index('by-gateway', (set) => {
      const key = gatewayOfSet(set);
      return key === undefined ? [] : [key];
    });
    this.#planned = derive<L7Gateway, GatewayListeners>(graph, {
      name: 'gateway-listeners',
      from: gateways,
      keyOf: ({ key }) => key,
      transform: ({ key, role, gateway }, context) => {
        if (role !== 'gateway') return [];
        const material = materialView(objects, view, context);
        const labelsOf = (namespace: string): Labels => view.namespaceLabels(context, namespace);
        const sets = judgeSets(gateway, context.lookup(byGateway, key), labelsOf);
        const reference = gateway.spec.backendCertificate;
        const owner = { kind: 'Gateway', namespace: gateway.metadata.namespace };
        const found = reference === undefined ? undefined : keyPairOf(reference, owner, material);
        return [
          {
            key,
            listeners: planListeners(gateway, sets, material),
            sets,
            backendCertificate: found?.kind === 'found' ? found.value : undefined,
            backendCertificateProblem: found?.kind === 'missing' ? found.problem : undefined,
          },
        ];
      },
    });
  }

  /** Nothing for a waypoint. */
  of(gateway: string, reads: MeshReads): Omit<GatewayListeners, 'key'> {
    return reads.get(this.#planned, gateway) ?? none;
  }
}

function materialView(objects: MeshObjects, view: MeshView, reads: MeshReads): MaterialView {
  const grants = view.services(reads);
  return {
    secret: (key) => reads.get(objects.Secret, key),
    configMap: (key) => reads.get(objects.ConfigMap, key),
    isGranted: (from, { group, kind, namespace, name }) =>
      grants.isGranted(
        { ...from, group: gatewayGroup },
        { group: group === 'core' ? '' : group, kind, namespace, name, port: undefined },
      ),
  };
}
