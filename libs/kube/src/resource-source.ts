import type { SourceReport } from './report.ts';
import type { Resource, ResourceKind, ResourceKinds } from './resource.ts';

/** One change of one resource. Events of one batch belong together: handle all before acting on any. */
export type ResourceEvent =
  | { readonly kind: 'add'; readonly resource: Resource }
  | { readonly kind: 'update'; readonly resource: Resource; readonly previous: Resource }
  | { readonly kind: 'delete'; readonly previous: Resource };

/**
 * Where resources come from: a folder of YAML, memory, later an API server. What is behind it makes no difference to
 * whoever reads it. Resources are immutable.
 */
export interface ResourceSource {
  /** Everything of one kind that is in force, by name. */
  list<K extends ResourceKind>(kind: K): readonly ResourceKinds[K][];
  /**
   * Calls back with every batch of changes after the call, in order. The source already shows the new state then.
   * Disposing stops it.
   */
  subscribe(handler: (events: readonly ResourceEvent[]) => void): Disposable;
  /** What is wrong with the resources at present, by file and line. */
  reports(): readonly SourceReport[];
  /** Calls back after the list of reports changed. Disposing stops it. */
  onReportsChanged(handler: () => void): Disposable;
}
