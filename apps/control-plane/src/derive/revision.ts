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
    case 'DestinationRule':
    case 'EnvoyFilter':
    case 'PeerAuthentication':
    case 'RequestAuthentication':
    case 'ServiceEntry':
    case 'Telemetry':
    case 'TrafficExtension':
    case 'VirtualService':
    case 'WasmPlugin':
    case 'WorkloadEntry': {
      const revision = resource.metadata.labels['istio.io/rev'];
      return revision === undefined || settings.revisions.includes(revision);
    }
    case 'BackendTLSPolicy':
    case 'RateLimitPolicy':
    case 'ConfigMap':
    case 'Secret':
    case 'EndpointSlice':
    case 'GRPCRoute':
    case 'Gateway':
    case 'GatewayClass':
    case 'HTTPRoute':
    case 'ListenerSet':
    case 'Namespace':
    case 'Node':
    case 'Pod':
    case 'ReferenceGrant':
    case 'Service':
    case 'ServiceAccount':
    case 'TCPRoute':
    case 'TLSRoute':
    case 'UDPRoute':
      return true;
  }
}
