/** Programs pods through iptables-restore, once per address family. */
import type { CaptureBackend, CaptureFinding, CaptureRecipe } from './capture-backend.ts';
import type { ProbeAddresses } from './capture-constants.ts';
import type { CapturedState } from './iptables-save.ts';
import { isEmptyState, parseSave, sameState } from './iptables-save.ts';
import type { Family } from './iptables-text.ts';
import { renderApply, renderRemoval } from './iptables-text.ts';
import type { IptablesVariant } from './iptables-variant.ts';
import type { NamespacePlace, NamespaceShell } from './namespace-shell.ts';
import type { CaptureOptions, CapturePhase } from './rule-model.ts';
import { podRules } from './rule-model.ts';

export interface IptablesBackendOptions {
  readonly shell: NamespaceShell;
  readonly variant: IptablesVariant;
  readonly families: readonly Family[];
  readonly probes: ProbeAddresses;
}

const GUARD_CHAINS: readonly string[] = ['INPUT', 'FORWARD', 'OUTPUT'];
/** Arguments: a tool and its text, once or twice. Fails when one of the tools does. */
const APPLY_SCRIPT = `
restore() { printf %s "$2" | "$1" --noflush --wait 30; }
[ $# -gt 2 ] || { restore "$1" "$2"; exit; }
restore "$1" "$2" & restore "$3" "$4"; second=$?
wait $! && exit $second`;
const GUARD_COMMENT = 'ambit-repair-guard';

export class IptablesBackend implements CaptureBackend {
  readonly name: string;
  readonly #options: IptablesBackendOptions;
  /** Desired states in the form in which this binary prints them, by what was asked for. */
  readonly #references = new Map<string, Promise<CapturedState>>();

  constructor(options: IptablesBackendOptions) {
    this.#options = options;
    this.name = `iptables-${options.variant}`;
  }

  async inspect(place: NamespacePlace, options: CaptureOptions, phase: CapturePhase): Promise<CaptureFinding> {
    const findings = await Promise.all(
      this.#options.families.map(async (family) => {
        const [actual, desired] = await Promise.all([
          this.#read(place, family),
          this.#reference(family, options, phase),
        ]);
        if (sameState(actual, desired)) return 'equal';
        return isEmptyState(actual) ? 'absent' : 'different';
      }),
    );
    return findings.reduce((all, one) => (all === one ? all : 'different'));
  }

  async apply(place: NamespacePlace, options: CaptureOptions, phase: CapturePhase, isFresh: boolean): Promise<void> {
    const { families, probes, shell } = this.#options;
    const rules = podRules(options, phase);
    const words = await Promise.all(
      families.map(async (family) => {
        const actual = isFresh ? undefined : await this.#read(place, family);
        return [this.#tool(family, 'restore'), renderApply(rules, family, probes, actual)];
      }),
    );
    // One entry into the namespace for both families, which work side by side.
    await shell.run(place, ['sh', '-c', APPLY_SCRIPT, 'sh', ...words.flat()]);
  }

  recipe(options: CaptureOptions, phase: CapturePhase): CaptureRecipe | undefined {
    const { families, probes, variant } = this.#options;
    if (variant === 'legacy') return undefined;
    const rules = podRules(options, phase);
    return {
      script: APPLY_SCRIPT,
      words: families.flatMap((family) => [this.#tool(family, 'restore'), renderApply(rules, family, probes)]),
      stdin: '',
      print: families.map((family) => this.#tool(family, 'save')).join(' && '),
    };
  }

  async remove(place: NamespacePlace): Promise<void> {
    for (const family of this.#options.families) {
      const text = renderRemoval(await this.#read(place, family));
      if (text !== '') await this.#restore(place, family, text);
    }
  }

  guard(place: NamespacePlace): Promise<void> {
    const lines = GUARD_CHAINS.flatMap((chain) =>
      ['tcp', 'udp'].map((protocol) => `-I ${chain} -p ${protocol} -m comment --comment ${GUARD_COMMENT} -j DROP`),
    );
    return this.#restoreAll(place, ['*filter', ...lines, 'COMMIT', ''].join('\n'));
  }

  async unguard(place: NamespacePlace): Promise<void> {
    for (const family of this.#options.families) {
      const save = await this.#options.shell.run(place, [this.#tool(family, 'save'), '-t', 'filter']);
      const guards = save.split('\n').filter((line) => line.startsWith('-A ') && line.includes(GUARD_COMMENT));
      if (guards.length === 0) continue;
      await this.#restore(
        place,
        family,
        ['*filter', ...guards.map((line) => line.replace(/^-A /, '-D ')), 'COMMIT', ''].join('\n'),
      );
    }
  }

  #tool(family: Family, action: 'save' | 'restore'): string {
    return `${family === 'v4' ? 'iptables' : 'ip6tables'}-${this.#options.variant}-${action}`;
  }

  async #read(place: NamespacePlace, family: Family): Promise<CapturedState> {
    return parseSave(await this.#options.shell.run(place, [this.#tool(family, 'save')]));
  }

  async #restore(place: NamespacePlace, family: Family, text: string): Promise<void> {
    await this.#options.shell.run(place, [this.#tool(family, 'restore'), '--noflush', '--wait', '30'], text);
  }

  async #restoreAll(place: NamespacePlace, text: string): Promise<void> {
    for (const family of this.#options.families) await this.#restore(place, family, text);
  }

  /** Prints the desired rules from a scratch namespace: the same binary puts both sides into the same form. */
  #reference(family: Family, options: CaptureOptions, phase: CapturePhase): Promise<CapturedState> {
    const text = renderApply(podRules(options, phase), family, this.#options.probes);
    const key = `${family}\n${text}`;
    let reference = this.#references.get(key);
    if (reference === undefined) {
      const script = `${this.#tool(family, 'restore')} --noflush && exec ${this.#tool(family, 'save')}`;
      reference = this.#options.shell.run({ kind: 'scratch' }, ['sh', '-c', script], text).then(parseSave);
      reference.catch(() => this.#references.delete(key));
      this.#references.set(key, reference);
    }
    return reference;
  }
}
