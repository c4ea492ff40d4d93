import type { PolicyTarget } from './connection-context.ts';
import type { Policy } from './policy.ts';

/** The policies that apply to one workload, and the names among them that are not known yet. */
export interface ApplicablePolicies {
  /** `namespace/name` of each policy with the policy, in order of lookup. */
  readonly policies: ReadonlyMap<string, Policy>;
  readonly missing: readonly string[];
}

/**
 * All policies of one thread, by resource name, and by the namespace they apply to.
 * Not bounded by itself: the control plane's set is the bound. Spec: contract data-plane 6.2.
 */
export class PolicyStore {
  #version = 0;
  readonly #byName = new Map<string, Policy>();
  /** Names of the policies of a whole namespace; the empty namespace stands for global ones. */
  readonly #byNamespace = new Map<string, Set<string>>();

  /** Answers by target, as long as the version is theirs: a target is a record that never changes. */
  readonly #applicable = new WeakMap<
    PolicyTarget,
    { readonly version: number; readonly policies: ApplicablePolicies }
  >();

  /** Grows with each change; compare it to know whether a decision may have changed. */
  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#byName.size;
  }

  /** Puts a policy under its resource name `namespace/name`, in place of an older one. */
  upsert(resourceName: string, policy: Policy): void {
    this.#forget(resourceName);
    this.#version++;
    this.#byName.set(resourceName, policy);
    const key = namespaceKey(policy);
    if (key === undefined) return;
    const names = this.#byNamespace.get(key);
    if (names === undefined) this.#byNamespace.set(key, new Set([resourceName]));
    else names.add(resourceName);
  }

  /** Takes a policy out; false when it was not known. */
  remove(resourceName: string): boolean {
    if (!this.#forget(resourceName)) return false;
    this.#version++;
    return true;
  }

  get(resourceName: string): Policy | undefined {
    return this.#byName.get(resourceName);
  }

  /** All policies with their resource names, for the admin dump. */
  entries(): IterableIterator<[string, Policy]> {
    return this.#byName.entries();
  }

  /** Policies of the workload's namespace, then global ones, then those it lists by name. */
  applicable(target: PolicyTarget): ApplicablePolicies {
    const known = this.#applicable.get(target);
    if (known?.version === this.#version) return known.policies;
    const policies = this.#collectFor(target);
    this.#applicable.set(target, { version: this.#version, policies });
    return policies;
  }

  #collectFor(target: PolicyTarget): ApplicablePolicies {
    const policies = new Map<string, Policy>();
    let missing: string[] | undefined;
    this.#collect(target.namespace, policies);
    if (target.namespace !== '') this.#collect('', policies);
    for (const name of target.authorizationPolicies) {
      const policy = this.#byName.get(name);
      if (policy !== undefined) policies.set(name, policy);
      else (missing ??= []).push(name);
    }
    return { policies, missing: missing ?? none };
  }

  #collect(namespace: string, into: Map<string, Policy>): void {
    const names = this.#byNamespace.get(namespace);
    if (names === undefined) return;
    for (const name of names) {
      const policy = this.#byName.get(name);
      if (policy !== undefined) into.set(name, policy);
    }
  }

  #forget(resourceName: string): boolean {
    const previous = this.#byName.get(resourceName);
    if (previous === undefined) return false;
    this.#byName.delete(resourceName);
    const key = namespaceKey(previous);
    if (key === undefined) return true;
    const names = this.#byNamespace.get(key);
    names?.delete(resourceName);
    if (names?.size === 0) this.#byNamespace.delete(key);
    return true;
  }
}

const none: readonly string[] = [];

function namespaceKey(policy: Policy): string | undefined {
  if (policy.scope === 'global') return '';
  return policy.scope === 'namespace' ? policy.namespace : undefined;
}
