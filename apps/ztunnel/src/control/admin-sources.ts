/** Where the admin dump takes its parts from. */
import { packetMark } from './derived-settings.ts';
import type { DumpSources } from './admin/config-dump.ts';
import type { ZtunnelParts } from './ztunnel-parts.ts';

export function adminSources({ config, state, certificates, pods, workers }: ZtunnelParts): DumpSources {
  return {
    certificates: () => certificates?.manager.statuses() ?? [],
    config: () => ({
      proxyMode: config.mode === 'shared' ? 'Shared' : 'Dedicated',
      localNode: config.nodeName,
      network: config.network,
      clusterId: config.clusterId,
      clusterDomain: config.clusterDomain,
      xdsAddress: config.xdsAddress ?? null,
      caAddress: config.caAddress ?? null,
      xdsOnDemand: config.isOnDemand,
      dnsProxy: config.isDnsCaptured,
      packetMark: packetMark(config) ?? null,
      adminAddr: config.adminAddress,
      statsAddr: config.statsAddress,
      readinessAddr: config.readinessAddress,
    }),
    policies: () => state.policies(),
    services: () => state.store.services(),
    stagedServices: () => state.store.stagedServices(),
    workloads: () => state.store.workloads(),
    view: state.store,
    version: () => ({ version: config.istioVersion, implementation: 'ambit', runtime: process.version }),
    pods: pods && (() => pods.list()),
    connections: () => workers?.connections() ?? Promise.resolve({}),
  };
}
