/** What only one replica does: write status. All replicas serve. */
import type { Collection } from '@ambit/collections';
import { LeaderElection } from '@ambit/kube';
import { type Clock, TaskScope } from '@ambit/runtime';
import type { Logger } from '@ambit/telemetry';
import type { ControlPlaneConfig } from './config.ts';
import type { KubernetesSource } from './source/mesh-source.ts';
import type { StatusWrite } from './derive/status-write.ts';
import { writeStatuses } from './status/status-writer.ts';

export interface LeaderParts {
  readonly config: Pick<ControlPlaneConfig, 'systemNamespace' | 'replica'>;
  readonly kubernetes: Pick<KubernetesSource, 'client'>;
  readonly statuses: Collection<StatusWrite>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Name of the Lease, in the own namespace. */
const LEASE = 'ambit-control-plane';

/** Takes part in the election until it is disposed; gives the lease back then. */
export function runForLeader(parts: LeaderParts): AsyncDisposable {
  const { config, kubernetes, statuses, logger, clock } = parts;
  const { client } = kubernetes;
  const election = new LeaderElection({
    client,
    namespace: config.systemNamespace,
    name: LEASE,
    identity: config.replica,
    clock,
    onError: ({ code, message }) => logger.warn({ code, reason: message }, 'leader election attempt failed'),
  });
  const scope = new TaskScope({
    onError: (_, { message }) => logger.error({ reason: message }, 'leader election ended'),
  });
  scope.run('leader', (signal) =>
    election.run(signal, async (term) => {
      logger.info({ replica: config.replica }, 'leading');
      await writeStatuses({ client, statuses, log: logger, clock }, term);
      logger.info({ replica: config.replica }, 'not leading any more');
    }),
  );
  return scope;
}
