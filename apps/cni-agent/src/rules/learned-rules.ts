/**
 * Rules as the kernel holds them: programmed once by the tool in a scratch namespace, read from there, and from then on put
 * into fresh namespaces in one step and read back from them, without starting the tool for every pod.
 *
 * Only believed after a trial: replayed into a second scratch namespace, the tool has to print the same there.
 */
import { toAmbitError } from '@ambit/runtime';
import type { CaptureBackend } from './capture-backend.ts';
import type { NamespaceShell } from './namespace-shell.ts';
import type { CaptureOptions } from './rule-model.ts';

export interface LearnedRulesOptions {
  readonly shell: NamespaceShell;
  readonly backend: Pick<CaptureBackend, 'recipe'>;
  /** `ambit-netns`, and a procfs whose `sys/net` may be written. */
  readonly program: string;
  readonly procRoot: string;
}

/** Why rules cannot be replayed: the pods go on with the tool. */
export type LearnOutcome = { readonly kind: 'learned' } | { readonly kind: 'not-learned'; readonly reason: string };

/** Kinds of pods differ by their annotations, which anybody may set. */
const MAX_KINDS = 64;
const DIVIDER = '== rules ==';

export class LearnedRules {
  readonly #options: LearnedRulesOptions;
  readonly #rules = new Map<string, string | undefined>();

  constructor(options: LearnedRulesOptions) {
    this.#options = options;
  }

  /** Rules of captured pods of this kind, as `NamespaceEyes` takes them; undefined when they are not known (yet). */
  get(options: CaptureOptions): string | undefined {
    return this.#rules.get(keyOf(options));
  }

  /** Learns them, unless that has been tried before. Never rejects. */
  async learn(options: CaptureOptions): Promise<LearnOutcome> {
    const key = keyOf(options);
    if (this.#rules.get(key) !== undefined) return { kind: 'learned' };
    if (this.#rules.has(key)) return { kind: 'not-learned', reason: 'it was tried before' };
    if (this.#rules.size >= MAX_KINDS) return { kind: 'not-learned', reason: 'there are too many kinds of pods' };
    this.#rules.set(key, undefined);
    try {
      const rules = await this.#readFromScratch(options);
      if (rules === undefined)
        return { kind: 'not-learned', reason: 'the rules, replayed, are not what the tool had made' };
      this.#rules.set(key, rules);
      return { kind: 'learned' };
    } catch (cause) {
      return { kind: 'not-learned', reason: toAmbitError(cause).message };
    }
  }

  async #readFromScratch(options: CaptureOptions): Promise<string | undefined> {
    const { shell, backend, program, procRoot } = this.#options;
    const recipe = backend.recipe(options, 'capture');
    if (recipe === undefined) return undefined;
    const { script, words, stdin, print } = recipe;
    const ask = `AMBIT_NETNS='${program}'; "$AMBIT_NETNS" '${procRoot}'`;
    const learn = `(${script}) && ${print} && echo '${DIVIDER}' && echo 'rules /proc/self/ns/net' | (${ask})`;
    const learned = await shell.run({ kind: 'scratch' }, ['sh', '-c', learn, 'sh', ...words], stdin);
    const [made = '', answer = ''] = learned.split(`${DIVIDER}\n`);
    const rules = /^\{"ok":true,"rules":"([0-9a-f]+)"\}\n$/.exec(answer)?.[1];
    if (rules === undefined) return undefined;
    const trial = `ip link set lo up && (${ask}) && ${print}`;
    const request = `capture /proc/self/ns/net ${rules}\n`;
    const replayed = await shell.run({ kind: 'scratch' }, ['sh', '-c', trial], request);
    const [first = '', ...rest] = replayed.split('\n');
    return first === '{"ok":true,"fresh":true}' && bare(rest.join('\n')) === bare(made) ? rules : undefined;
  }
}

/** Without the tool's remarks, which tell the time. */
function bare(listing: string): string {
  return listing
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n');
}

function keyOf({ ingressMode, dnsCapture, virtualInterfaces }: CaptureOptions): string {
  return JSON.stringify([ingressMode, dnsCapture, virtualInterfaces]);
}
