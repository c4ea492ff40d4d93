/** Runs system tools inside a network namespace. Nothing of the namespace's owner (files, name services) is used. */
import { mustRun, runCommand, type CommandResult } from '@ambit/runtime';

/** Where to run: a namespace by a path that `nsenter` takes, a scratch one that ends with the command, or the node's. */
export type NamespacePlace =
  | { readonly kind: 'pod'; readonly id: string; readonly enterPath: string }
  | { readonly kind: 'scratch' }
  | { readonly kind: 'own' };

/** How long one tool may take; it may have to wait 30 s for the lock of legacy iptables. */
const TOOL_TIMEOUT_MS = 40_000;

export class NamespaceShell {
  readonly #lockDirectory: string;
  readonly #nodePath: string | undefined;

  /**
   * @param lockDirectory holds one xtables lock per namespace, so that pods do not wait for each other.
   * @param nodePath the node's own namespace; undefined when this process is in it.
   */
  constructor(lockDirectory: string, nodePath?: string) {
    this.#lockDirectory = lockDirectory;
    this.#nodePath = nodePath;
  }

  /** @throws AmbitError `COMMAND_FAILED` when the tool fails. */
  run(place: NamespacePlace, argv: readonly string[], stdin?: string): Promise<string> {
    return mustRun(this.#enter(place, argv), this.#options(place, stdin));
  }

  /** Resolves whatever the tool's exit code is. */
  attempt(place: NamespacePlace, argv: readonly string[], stdin?: string): Promise<CommandResult> {
    return runCommand(this.#enter(place, argv), this.#options(place, stdin));
  }

  #enter(place: NamespacePlace, argv: readonly string[]): readonly string[] {
    switch (place.kind) {
      case 'pod':
        return ['nsenter', `--net=${place.enterPath}`, '--', ...argv];
      case 'scratch':
        return ['unshare', '--net', '--', ...argv];
      case 'own':
        return this.#nodePath === undefined ? argv : ['nsenter', `--net=${this.#nodePath}`, '--', ...argv];
    }
  }

  #options(
    place: NamespacePlace,
    stdin: string | undefined,
  ): { env: Readonly<Record<string, string>>; timeoutMs: number; stdin?: string } {
    const lock = place.kind === 'pod' ? place.id.replaceAll(/[^0-9a-z]/gi, '-') : place.kind;
    const env = { XTABLES_LOCKFILE: `${this.#lockDirectory}/xtables-${lock}.lock`, LC_ALL: 'C' };
    return { env, timeoutMs: TOOL_TIMEOUT_MS, ...(stdin === undefined ? {} : { stdin }) };
  }
}
