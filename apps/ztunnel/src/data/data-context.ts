import type { RevocationLists } from '@ambit/hbone';
import type { EventLoop } from '@ambit/net';
import type { PolicyStore } from '@ambit/policy';
import type { AccessLogWriter } from '@ambit/telemetry';
import type { WorkloadStore } from '@ambit/workload';
import type { DataSettings, FromWorker } from '../worker-protocol.ts';
import type { AuthorizedConnections } from './authorized-connections.ts';
import type { Certificates } from './certificates.ts';
import type { ChangeWaits } from './change-waits.ts';
import type { RecordOutlets } from './connection-record.ts';
import type { Demands } from './demands.ts';
import type { HostResolver } from './host-resolver.ts';
import type { HandshakeQuota } from './handshake-quota.ts';
import type { PendingLimit } from './pending-limit.ts';

/** What every connection of a data worker shares. One per thread. */
export interface DataContext {
  readonly loop: EventLoop;
  readonly settings: DataSettings;
  readonly store: WorkloadStore;
  readonly policies: PolicyStore;
  readonly certificates: Certificates;
  readonly revocations: RevocationLists;
  readonly waits: ChangeWaits;
  readonly hosts: HostResolver;
  readonly demands: Demands;
  readonly authorized: AuthorizedConnections;
  /** Connections that are accepted but not carrying bytes yet. */
  readonly pending: PendingLimit;
  readonly handshakes: HandshakeQuota;
  readonly outlets: RecordOutlets;
  readonly log: AccessLogWriter;
  /** Ports of the mesh itself; a connection to one of them would loop. */
  readonly illegalPorts: ReadonlySet<number>;
  post(message: FromWorker): void;
  /** Acts on what the control thread has sent; before a connection is accepted, so that policy is never behind. */
  readonly takeMessages: () => void;
  /** Uniform in [0, 1). */
  random(): number;
  /** Writes a finding of policy evaluation when its level is on. */
  logPolicy(message: string, policy: string): void;
}
