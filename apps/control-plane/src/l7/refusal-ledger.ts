import type { Collection, Graph, SourceCollection } from '@ambit/collections';
import { DESTINATION_TYPE } from '@ambit/xds';
import type { Refusal } from '../derive/refusal.ts';
import type { PlannedDestination } from './destination-plan.ts';

export interface RefusalLedgerOptions {
  readonly graph: Graph;
  readonly refusals: SourceCollection<Refusal>;
  readonly destinations: Collection<PlannedDestination>;
}

/**
 * Turns NACKs of proxies into something that statuses are derived from. A refusal is forgotten when its resource changes: what is
 * sent then has not been refused yet.
 */
export class RefusalLedger implements Disposable {
  readonly #options: RefusalLedgerOptions;
  readonly #subscription: Disposable;

  constructor(options: RefusalLedgerOptions) {
    this.#options = options;
    this.#subscription = options.destinations.subscribe((changes) => {
      const stale = changes.map(({ key }) => key).filter((key) => options.refusals.get(key) !== undefined);
      // Sources cannot change while others are told of changes.
      if (stale.length > 0) queueMicrotask(() => this.#forget(stale));
    });
  }

  /** `namespace`: of the proxy. Names that are not its own, or not known, count for nothing. */
  note(typeUrl: string, namespace: string, message: string): void {
    if (typeUrl !== DESTINATION_TYPE) return;
    const { graph, refusals } = this.#options;
    const found = this.#read(message).filter(({ gateway }) => gateway.startsWith(`${namespace}/`));
    if (found.length === 0) return;
    graph.update(() => {
      for (const refusal of found) refusals.set(refusal);
    });
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }

  /** `name: reason; name: reason`, where a reason may have semicolons of its own. */
  #read(message: string): readonly Refusal[] {
    const found: { readonly planned: PlannedDestination; readonly reasons: string[] }[] = [];
    for (const part of message.split('; ')) {
      const at = part.indexOf(': ');
      const planned = at < 0 ? undefined : this.#options.destinations.get(part.slice(0, at));
      if (planned === undefined) found.at(-1)?.reasons.push(part);
      else found.push({ planned, reasons: [part.slice(at + 2)] });
    }
    return found.map(({ planned: { name, gateway, message: destination }, reasons }) => ({
      key: name,
      service: `${destination.namespace}/${destination.hostname}`,
      gateway,
      reason: reasons.join('; '),
    }));
  }

  #forget(keys: readonly string[]): void {
    const { graph, refusals } = this.#options;
    graph.update(() => {
      for (const key of keys) refusals.delete(key);
    });
  }
}
