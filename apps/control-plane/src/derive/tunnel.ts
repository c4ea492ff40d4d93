import { workload } from '@ambit/api';
import type { ObjectMeta } from '@ambit/kube';

/** How a workload is reached. LEGACY_ISTIO_MTLS is never told: Istio's ztunnel rejects what it does not know. */
export interface Tunnel {
  readonly protocol: typeof workload.TunnelProtocol.NONE | typeof workload.TunnelProtocol.HBONE;
  /** The workload terminates HBONE itself. */
  readonly isNative: boolean;
}

/**
 * HBONE only after the node agent says that redirection works (annotation), or for workloads that accept it themselves
 * (label); the label of a namespace alone never is enough. Spec: control-plane.md section 3.2, tunnel protocol.
 */
export function tunnelOf(metadata: Pick<ObjectMeta, 'annotations' | 'labels'>): Tunnel {
  const { HBONE, NONE } = workload.TunnelProtocol;
  const tunnels = metadata.labels['networking.istio.io/tunnel']?.split(',') ?? [];
  if (tunnels.includes('http')) return { protocol: HBONE, isNative: true };
  const isCaptured = metadata.annotations['ambient.istio.io/redirection'] === 'enabled';
  return { protocol: isCaptured ? HBONE : NONE, isNative: false };
}
