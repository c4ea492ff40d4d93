/**
 * Messages by which a writer thread makes its series known to the thread that answers scrapes. They are plain records:
 * a worker posts them as they are, in order, and the main thread feeds each to `MetricRegistry.mirror`.
 */

/** What a family measures. */
export type MetricKind = 'counter' | 'gauge' | 'histogram';

/** A family as both threads know it. `name` is without the `_total` of counters; `boundaries` are upper bounds. */
export interface FamilyDescriptor {
  readonly name: string;
  readonly kind: MetricKind;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly maxSeries: number;
  readonly boundaries: readonly number[];
}

/** One step in the life of a writer's series. */
export type MetricAnnouncement =
  | { readonly kind: 'segment'; readonly segment: number; readonly buffer: SharedArrayBuffer }
  | { readonly kind: 'family'; readonly descriptor: FamilyDescriptor }
  | {
      readonly kind: 'series';
      readonly family: string;
      readonly segment: number;
      readonly offset: number;
      readonly labelValues: readonly string[];
    }
  | {
      readonly kind: 'retired';
      readonly family: string;
      readonly segment: number;
      readonly offset: number;
      readonly finalValues: readonly number[];
    };

/**
 * Slots that one series of this family takes: one value, or for a histogram the sum, one slot for each bucket and the
 * bucket above the last boundary.
 */
export function seriesWidth(descriptor: FamilyDescriptor): number {
  return descriptor.kind === 'histogram' ? descriptor.boundaries.length + 2 : 1;
}
