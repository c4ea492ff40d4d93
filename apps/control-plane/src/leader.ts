/** What only one replica does: write status, keep the trust of the webhook, deploy gateways. All replicas serve. */
import { LeaderElection } from '@ambit/kube';
import { type AmbitError, type Clock, TaskScope } from '@ambit/runtime';
import type { Logger } from '@ambit/telemetry';
import { keepWebhookTrust } from './admission/webhook-trust.ts';
import type { ControlPlaneConfig } from './config.ts';
import type { KubernetesSource } from './source/mesh-source.ts';
import type { MeshCollections } from './derive/mesh-collections.ts';
import { runGateways } from './gateways/run-gateways.ts';
import type { ServingCertificate } from './serve/serving-certificate.ts';
import { writeStatuses } from './status/status-writer.ts';

export interface LeaderParts {
  readonly config: ControlPlaneConfig;
  /** What the webhook serves with; its roots go into the webhook's configuration. */
  readonly certificate: Pick<ServingCertificate, 'material'>;
  readonly kubernetes: Pick<KubernetesSource, 'client'>;
  readonly mesh: Pick<MeshCollections, 'sources' | 'statuses'>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Name of the Lease, in the own namespace. */
const LEASE = 'ambit-control-plane';

/** Takes part in the election until it is disposed; gives the lease back then. */
export function runForLeader(parts: LeaderParts): AsyncDisposable {
  const { config, kubernetes, certificate, mesh, logger, clock } = parts;
  const { client } = kubernetes;
  const election = new LeaderElection({
    client,
    namespace: config.systemNamespace,
    name: LEASE,
    identity: config.replica,
    clock,
    onError: ({ code, message }) => logger.warn({ code, reason: message }, 'leader election attempt failed'),
  });
  const trust = {
    client,
    name: config.webhookConfiguration ?? `ambit-validator-${config.systemNamespace}`,
    roots: () => certificate.material.clientRootsPem,
    onError: ({ code, message }: AmbitError): void =>
      logger.warn({ code, reason: message }, 'trust of the webhook not written'),
  };
  const scope = new TaskScope({
    onError: (_, { message }) => logger.error({ reason: message }, 'leader election ended'),
  });
  scope.run('leader', (signal) =>
    election.run(signal, async (term) => {
      logger.info({ replica: config.replica }, 'leading');
      await Promise.all([
        writeStatuses({ client, statuses: mesh.statuses, log: logger, clock }, term),
        keepWebhookTrust(trust, term),
        runGateways({ config, client, sources: mesh.sources, log: logger, clock }, term),
      ]);
      logger.info({ replica: config.replica }, 'not leading any more');
    }),
  );
  return scope;
}
