import {
  type LabelSelector,
  matchesSelector,
  type Namespace,
  type Resource,
  type ResourceEvent,
  type ResourceKind,
  resourceKinds,
  type ResourceKinds,
  type ResourceSource,
  type SourceReport,
} from '@ambit/kube';

/**
 * The part of a source that lies in selected namespaces; objects of no namespace are always there. A namespace that
 * comes in or drops out by a change of its labels brings or takes all its objects. Istio: MeshConfig discoverySelectors.
 * Subscribe through it before anybody else changes the source; disposing stops it.
 */
export class ScopedSource implements ResourceSource, Disposable {
  readonly #source: ResourceSource;
  readonly #isSelected: (namespace: Namespace) => boolean;
  readonly #selected = new Set<string>();
  readonly #handlers = new Set<(events: readonly ResourceEvent[]) => void>();
  readonly #subscription: Disposable;

  /** `always` names namespaces that count without a selector: that of mesh-wide policies must not be lost. */
  constructor(source: ResourceSource, selectors: readonly LabelSelector[], always: readonly string[]) {
    this.#source = source;
    this.#isSelected = ({ metadata }) =>
      always.includes(metadata.name) || selectors.some((selector) => matchesSelector(selector, metadata.labels));
    for (const namespace of source.list('Namespace')) {
      if (this.#isSelected(namespace)) this.#selected.add(namespace.metadata.name);
    }
    this.#subscription = source.subscribe((events) => {
      const seen = this.#translate(events);
      if (seen.length > 0) for (const handler of this.#handlers) handler(seen);
    });
  }

  list<K extends ResourceKind>(kind: K): readonly ResourceKinds[K][] {
    return this.#source.list(kind).filter((resource) => this.#isVisible(resource));
  }

  subscribe(handler: (events: readonly ResourceEvent[]) => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  reports(): readonly SourceReport[] {
    return this.#source.reports();
  }

  onReportsChanged(handler: () => void): Disposable {
    return this.#source.onReportsChanged(handler);
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }

  #isVisible({ metadata: { namespace } }: Resource): boolean {
    return namespace === '' || this.#selected.has(namespace);
  }

  #translate(events: readonly ResourceEvent[]): readonly ResourceEvent[] {
    const turned = this.#turnNamespaces(events);
    const seen: ResourceEvent[] = [];
    for (const event of events) {
      const resource = event.kind === 'delete' ? event.previous : event.resource;
      const { namespace } = resource.metadata;
      if (!turned.has(namespace)) {
        if (this.#isVisible(resource)) seen.push(event);
      } else if (!this.#selected.has(namespace) && event.kind === 'delete') seen.push(event);
    }
    if (turned.size === 0) return seen;
    for (const kind of resourceKinds) {
      for (const resource of this.#source.list(kind)) {
        if (!turned.has(resource.metadata.namespace)) continue;
        seen.push(this.#isVisible(resource) ? { kind: 'add', resource } : { kind: 'delete', previous: resource });
      }
    }
    return seen;
  }

  /** Takes over changes of namespaces; gives those that came in or dropped out. */
  #turnNamespaces(events: readonly ResourceEvent[]): ReadonlySet<string> {
    const turned = new Set<string>();
    for (const event of events) {
      const resource = event.kind === 'delete' ? event.previous : event.resource;
      if (resource.kind !== 'Namespace') continue;
      const { name } = resource.metadata;
      const isSelected = event.kind !== 'delete' && this.#isSelected(resource);
      if (isSelected === this.#selected.has(name)) continue;
      if (isSelected) this.#selected.add(name);
      else this.#selected.delete(name);
      turned.add(name);
    }
    return turned;
  }
}
