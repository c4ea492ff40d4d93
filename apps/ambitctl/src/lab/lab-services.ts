/** Service addresses and names of a lab, for pods in the mesh and outside of it: allocator, rules on nodes, resolvers. */
import type { FolderSource } from '@ambit/kube';
import { linkAddresses } from './address-plan.ts';
import type { LabNode } from './lab-file.ts';
import { ResolverServer } from './resolver-server.ts';
import { ServiceAllocator } from './service-allocator.ts';
import { ServiceProxy } from './service-proxy.ts';

export interface LabServicesOptions {
  readonly source: FolderSource;
  readonly statusDir: string;
  readonly nodes: readonly { readonly node: LabNode; readonly netnsPath: string }[];
  readonly onProblem: (message: string) => void;
}

export class LabServices implements AsyncDisposable {
  readonly #source: FolderSource;
  readonly #stack = new AsyncDisposableStack();
  readonly #allocator: ServiceAllocator;
  readonly #proxy: ServiceProxy;
  readonly #nodes: LabServicesOptions['nodes'];

  constructor({ source, statusDir, nodes, onProblem }: LabServicesOptions) {
    this.#source = source;
    this.#nodes = nodes;
    this.#allocator = new ServiceAllocator(source, statusDir);
    this.#proxy = this.#stack.use(
      new ServiceProxy({ source, nodes: nodes.map(({ netnsPath }) => netnsPath), onProblem }),
    );
  }

  /** Resolves when services have addresses and the nodes know them. @throws NetError when a resolver cannot listen. */
  async start(): Promise<void> {
    this.#stack.use(
      this.#source.subscribe((events) => {
        if (events.some((event) => (event.kind === 'delete' ? event.previous : event.resource).kind === 'Service'))
          this.#allocator.allocate();
      }),
    );
    this.#allocator.allocate();
    this.#source.refresh();
    await this.#proxy.start();
    for (const { node, netnsPath } of this.#nodes)
      this.#stack.use(new ResolverServer(this.#source, netnsPath, linkAddresses(node.number).node.v4));
  }

  /** Resolves when the rules are those of the present services and pods. */
  async sync(): Promise<void> {
    this.#source.refresh();
    await this.#proxy.sync();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
