/** What data workers report on their own, each to where it belongs. */
import { lookup } from 'node:dns/promises';
import type { EventBus } from '@ambit/events';
import { type LoggerRoot, logReport, type MetricRegistry } from '@ambit/telemetry';
import type { ToWorker } from '../worker-protocol.ts';
import type { CertificateSupply } from './certificate-supply.ts';
import type { WorkerReport } from './data-workers.ts';

export interface WorkerReportsOptions {
  readonly node: string;
  readonly registry: MetricRegistry;
  readonly loggers: LoggerRoot;
  readonly bus: EventBus;
  readonly certificates: CertificateSupply | undefined;
  readonly demand: (name: string) => Promise<void>;
  readonly postTo: (workerId: number, message: ToWorker) => void;
}

/** Never throws; answers that need waiting are posted when they come. */
export function takeWorkerReport(options: WorkerReportsOptions, workerId: number, report: WorkerReport): void {
  const { node, bus, postTo } = options;
  switch (report.kind) {
    case 'needCertificate': {
      const { identity } = report;
      if (options.certificates !== undefined) return options.certificates.need(identity);
      return postTo(workerId, { kind: 'certificateFailed', identity, error: 'no CA is configured' });
    }
    case 'metrics':
      for (const announcement of report.announcements) options.registry.mirror(`data-${workerId}`, announcement);
      return;
    case 'log':
      return logReport(options.loggers, workerId, report);
    case 'flow':
      return bus.publish('flow', { node, ...report.flow }, node);
    case 'denied':
      return bus.publish('policy.denied', { node, ...report.denial });
    case 'resolveHost':
      void resolveHost(report.hostname).then((addresses) =>
        postTo(workerId, { kind: 'hostResolved', query: report.query, addresses }),
      );
      return;
    case 'demand':
      void options.demand(report.name).finally(() => postTo(workerId, { kind: 'demanded', name: report.name }));
  }
}

/** Addresses of a name as this process's resolver sees it; none when it does not resolve. */
async function resolveHost(hostname: string): Promise<readonly string[]> {
  try {
    return (await lookup(hostname, { all: true })).map(({ address }) => address);
  } catch {
    return [];
  }
}
