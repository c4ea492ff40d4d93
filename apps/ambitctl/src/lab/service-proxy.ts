/** Keeps the service rules of every node up to date: the lab's kube-proxy. */
import type { ResourceSource } from '@ambit/kube';
import { mustRun, toAmbitError } from '@ambit/runtime';
import { renderServiceRules } from './service-rules.ts';

export interface ServiceProxyOptions {
  readonly source: ResourceSource;
  /** Paths of the nodes' network namespaces. */
  readonly nodes: readonly string[];
  readonly onProblem: (message: string) => void;
}

export class ServiceProxy implements AsyncDisposable {
  readonly #options: ServiceProxyOptions;
  #subscription: Disposable | undefined;
  #applied = '';
  #isDirty = false;
  #pass: Promise<void> = Promise.resolve();

  constructor(options: ServiceProxyOptions) {
    this.#options = options;
  }

  /** Resolves when the rules are in place for the first time. */
  start(): Promise<void> {
    this.#subscription = this.#options.source.subscribe((events) => {
      if (
        events.some((event) =>
          ['Pod', 'Service'].includes((event.kind === 'delete' ? event.previous : event.resource).kind),
        )
      )
        void this.sync();
    });
    return this.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#subscription?.[Symbol.dispose]();
    await this.#pass;
  }

  /** Resolves when the rules are those of the present services and pods. */
  sync(): Promise<void> {
    this.#isDirty = true;
    this.#pass = this.#pass.then(() => this.#apply());
    return this.#pass;
  }

  async #apply(): Promise<void> {
    if (!this.#isDirty) return;
    this.#isDirty = false;
    const { source, nodes, onProblem } = this.#options;
    const rules = renderServiceRules(source.list('Service'), source.list('Pod'));
    if (rules === this.#applied) return;
    try {
      await Promise.all(
        nodes.map((netns) => mustRun(['nsenter', `--net=${netns}`, '--', 'nft', '-f', '-'], { stdin: rules })),
      );
      this.#applied = rules;
    } catch (cause) {
      onProblem(`service addresses could not be programmed: ${toAmbitError(cause).message}`);
    }
  }
}
