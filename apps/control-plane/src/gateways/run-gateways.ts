import type { ApiLog, KubeClient } from '@ambit/kube';
import type { Clock } from '@ambit/runtime';
import type { ControlPlaneConfig } from '../config.ts';
import type { MeshSources } from '../derive/mesh-sources.ts';
import { keepGatewayClasses } from './gateway-classes.ts';
import { runGatewayController } from './gateway-controller.ts';
import { managedClasses } from './managed-class.ts';

export interface GatewayParts {
  readonly config: ControlPlaneConfig;
  readonly client: KubeClient;
  readonly sources: MeshSources;
  readonly log: ApiLog;
  readonly clock: Clock;
}

/** Looks after classes and Gateways until `signal` is aborted; nothing at all without an image to deploy. */
export async function runGateways(parts: GatewayParts, signal: AbortSignal): Promise<void> {
  const { config, client, sources, log, clock } = parts;
  const { systemNamespace, rootNamespace, clusterId, clusterDomain, trustDomain, logLevel } = config;
  if (config.proxyImage === undefined) return;
  const options = {
    client,
    sources,
    log,
    clock,
    systemNamespace,
    classes: managedClasses(config.takesOverClasses),
    settings: {
      image: config.proxyImage,
      pullPolicy: config.proxyPullPolicy,
      pullSecrets: config.proxyPullSecrets,
      xdsAddress: config.proxyXdsAddress ?? `https://ambit-control-plane.${systemNamespace}.svc:15012`,
      caAddress: config.proxyCaAddress ?? `https://ambit-ca.${systemNamespace}.svc:15013`,
      clusterId,
      clusterDomain,
      trustDomain,
      network: sources.Namespace.get(rootNamespace)?.metadata.labels['topology.istio.io/network'] ?? '',
      logLevel,
      resources: config.proxyResources,
    },
  };
  await Promise.all([keepGatewayClasses(options, signal), runGatewayController(options, signal)]);
}
