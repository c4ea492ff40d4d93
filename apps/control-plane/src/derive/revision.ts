import type { Resource } from '@ambit/kube';
import type { MeshSettings } from '../mesh-settings.ts';

/**
 * False for configuration labelled for another control plane. Configuration without the label is for all of them, and
 * what is no configuration (pods, services, nodes) is there for all too. So are Gateways: a waypoint that another
 * revision deployed still stands between clients and services. Spec: control-plane.md section 3.6.
 */
export function isOfRevision(resource: Resource, settings: MeshSettings): boolean {
  switch (resource.kind) {
    case 'AuthorizationPolicy':
    case 'PeerAuthentication':
    case 'ServiceEntry':
    case 'WorkloadEntry': {
      const revision = resource.metadata.labels['istio.io/rev'];
      return revision === undefined || settings.revisions.includes(revision);
    }
    case 'EndpointSlice':
    case 'Gateway':
    case 'GatewayClass':
    case 'Namespace':
    case 'Node':
    case 'Pod':
    case 'Service':
    case 'ServiceAccount':
      return true;
  }
}
