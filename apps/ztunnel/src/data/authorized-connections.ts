import type { EventLoop, IdleWork } from '@ambit/net';
import { type Admitted, authorize, type Denied, type PolicyStore, type PolicyTarget } from '@ambit/policy';

/** An inbound connection that policy let in. */
export interface AuthorizedConnection {
  readonly permit: Admitted;
  /** The workload as it is now: a policy that names it since counts. Istio keeps the one of the beginning. */
  readonly policyTarget: PolicyTarget;
  /** A change of policy forbids the connection; it must close. */
  onForbidden(denied: Denied): void;
}

/** How many connections are looked at again in one turn of the loop. */
const connectionsPerStep = 128;

/**
 * The inbound connections of this thread, looked at again on every change of policy, or of which policies are a workload's.
 * Spec: contract data-plane 5.9.
 */
export class AuthorizedConnections implements IdleWork {
  readonly #loop: EventLoop;
  readonly #policies: PolicyStore;
  readonly #connections = new Set<AuthorizedConnection>();
  #left: IterableIterator<AuthorizedConnection> | undefined;

  constructor(loop: EventLoop, policies: PolicyStore) {
    this.#loop = loop;
    this.#policies = policies;
  }

  get size(): number {
    return this.#connections.size;
  }

  add(connection: AuthorizedConnection): void {
    this.#connections.add(connection);
  }

  delete(connection: AuthorizedConnection): void {
    this.#connections.delete(connection);
  }

  /** Begins from the first connection, also when a round is under way. */
  onPolicyChange(): void {
    if (this.#connections.size === 0) return;
    this.#left = this.#connections.values();
    this.#loop.setIdleWork(this);
  }

  step(): boolean {
    for (let i = 0; i < connectionsPerStep; i++) {
      const next = this.#left?.next();
      if (next === undefined || next.done === true) {
        this.#left = undefined;
        return false;
      }
      const connection = next.value;
      // A policy that has been deleted is no reason to close what it once let in.
      const { permit, policyTarget } = connection;
      const answer = authorize(this.#policies, permit.context, policyTarget, 'ignore');
      if (answer.kind === 'denied') connection.onForbidden(answer);
    }
    return true;
  }
}
