import type { ApiServerSource, ReflectorStatus } from '@ambit/kube';
import type { MetricRegistry } from '@ambit/telemetry';

/** How well the API server is followed, by kind: what an alert on stale configuration needs. */
export function observeSource(registry: MetricRegistry, source: Pick<ApiServerSource, 'status'>): void {
  const labelNames = ['kind'];
  const series = (read: (status: ReflectorStatus) => number) => () =>
    [...source.status()].map(([kind, status]) => ({ labelValues: [kind], value: read(status) }));
  const gauges: readonly (readonly [string, string, (status: ReflectorStatus) => number])[] = [
    ['ambit_source_up', '1 while a kind is followed; 0 while its last good state is served', isUp],
    ['ambit_source_objects', 'Objects known of a kind', ({ objects }) => objects],
    ['ambit_source_lists', 'Complete lists of a kind since the start', ({ lists }) => lists],
    ['ambit_source_failures', 'Failed attempts to follow a kind since the start', ({ failures }) => failures],
  ];
  for (const [name, help, read] of gauges) registry.computed('gauge', { name, help, labelNames }, series(read));
}

/** A kind whose CRD is not installed is followed as well: there is nothing of it. */
function isUp({ state }: ReflectorStatus): number {
  return state === 'broken' ? 0 : 1;
}
