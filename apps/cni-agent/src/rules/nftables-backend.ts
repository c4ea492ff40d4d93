/** Programs pods through one nft transaction for both address families. Spec: data-plane contract 2.6. */
import type { CaptureBackend, CaptureFinding, CaptureRecipe } from './capture-backend.ts';
import type { ProbeAddresses } from './capture-constants.ts';
import type { Family } from './iptables-text.ts';
import type { NamespacePlace, NamespaceShell } from './namespace-shell.ts';
import { NFT_TABLES, renderNftApply, renderNftRemoval } from './nftables-text.ts';
import type { CaptureOptions, CapturePhase } from './rule-model.ts';
import { podRules } from './rule-model.ts';

export interface NftablesBackendOptions {
  readonly shell: NamespaceShell;
  readonly families: readonly Family[];
  readonly probes: ProbeAddresses;
}

const GUARD_TABLE = 'inet ambit-repair-guard';
/** Stateless (no counters) and numeric, so that two listings of the same rules are the same text. */
const LIST: readonly string[] = ['nft', '-s', '-nn', 'list', 'ruleset', 'inet'];

export class NftablesBackend implements CaptureBackend {
  readonly name: string = 'nftables';
  readonly #options: NftablesBackendOptions;
  readonly #references = new Map<string, Promise<string>>();

  constructor(options: NftablesBackendOptions) {
    this.#options = options;
  }

  async inspect(place: NamespacePlace, options: CaptureOptions, phase: CapturePhase): Promise<CaptureFinding> {
    const [actual, desired] = await Promise.all([
      this.#options.shell.run(place, LIST),
      this.#reference(options, phase),
    ]);
    const ours = ownTables(actual);
    if (ours === desired) return 'equal';
    return ours === '' ? 'absent' : 'different';
  }

  async apply(place: NamespacePlace, options: CaptureOptions, phase: CapturePhase, _isFresh: boolean): Promise<void> {
    await this.#load(place, this.#text(options, phase));
  }

  recipe(options: CaptureOptions, phase: CapturePhase): CaptureRecipe {
    return { script: 'nft -f -', words: [], stdin: this.#text(options, phase), print: LIST.join(' ') };
  }

  remove(place: NamespacePlace): Promise<void> {
    return this.#load(place, renderNftRemoval());
  }

  guard(place: NamespacePlace): Promise<void> {
    const chains = ['input', 'forward', 'output'].map(
      (hook) =>
        `add chain ${GUARD_TABLE} ${hook} { type filter hook ${hook} priority 0; policy accept; }\nadd rule ${GUARD_TABLE} ${hook} meta l4proto { tcp, udp } drop`,
    );
    return this.#load(place, [`add table ${GUARD_TABLE}`, ...chains, ''].join('\n'));
  }

  async unguard(place: NamespacePlace): Promise<void> {
    // Taking away what is not there would count as a change of the rules.
    const listing = await this.#options.shell.attempt(place, ['nft', 'list', 'table', ...GUARD_TABLE.split(' ')]);
    if (listing.code === 0) await this.#load(place, `add table ${GUARD_TABLE}\ndelete table ${GUARD_TABLE}\n`);
  }

  #text(options: CaptureOptions, phase: CapturePhase): string {
    return renderNftApply(podRules(options, phase), this.#options.families, this.#options.probes);
  }

  async #load(place: NamespacePlace, text: string): Promise<void> {
    await this.#options.shell.run(place, ['nft', '-f', '-'], text);
  }

  #reference(options: CaptureOptions, phase: CapturePhase): Promise<string> {
    const text = this.#text(options, phase);
    let reference = this.#references.get(text);
    if (reference === undefined) {
      reference = this.#options.shell
        .run({ kind: 'scratch' }, ['sh', '-c', `nft -f - && exec ${LIST.join(' ')}`], text)
        .then(ownTables);
      reference.catch(() => this.#references.delete(text));
      this.#references.set(text, reference);
    }
    return reference;
  }
}

/** The listings of our tables, in the order of their names: the order of creation does not matter. */
export function ownTables(listing: string): string {
  const names = Object.values(NFT_TABLES).map((name) => `table inet ${name} {`);
  return listing
    .split(/^(?=table )/m)
    .map((table) => table.trimEnd())
    .filter((table) => names.some((name) => table.startsWith(name)))
    .sort()
    .join('\n');
}
