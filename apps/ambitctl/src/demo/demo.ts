/** Runs the groups of claims in a lab of their own, and takes the lab down whatever happens. */
import { once } from 'node:events';
import { toAmbitError } from '@ambit/runtime';
import { LabError } from '../lab/lab-error.ts';
import { Lab } from '../lab/lab.ts';
import { readLabFile } from '../lab/lab-file.ts';
import { checkLabName, LabPaths } from '../lab/lab-names.ts';
import { findLeftovers } from '../lab/sweep.ts';
import type { Claim, ClaimGroup } from './claim.ts';
import { claimGroups } from './claims/claim-groups.ts';

export interface DemoOptions {
  readonly labFile: string;
  /** Instead of the file's. */
  readonly name?: string;
  /** As in the lab's description. */
  readonly ztunnelPrograms: Readonly<Record<string, string>>;
  readonly stateRoot: string;
  readonly searchPath: string;
  /** Only prints claims and the verdict. */
  readonly isCheck: boolean;
  /** Ids of the groups to run; all when undefined. */
  readonly only: readonly string[] | undefined;
}

/** A group that hangs is a fault, too. */
const GROUP_TIMEOUT_MS = 300_000;

/** @returns true when every claim was proven and nothing was left behind. */
export async function runDemo(options: DemoOptions): Promise<boolean> {
  const file = readLabFile(options.labFile);
  const name = options.name === undefined ? file.name : checkLabName(options.name);
  const description = { ...file, name, ztunnelPrograms: options.ztunnelPrograms };
  const stopping = new AbortController();
  const interrupt = (): void => stopping.abort(new Error('interrupted'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, interrupt);
  const claims: Claim[] = [];
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const startMs = performance.now();
  const narrate = (line: string): void => {
    if (!options.isCheck) say(`  ${line}`);
  };

  const starting = Lab.up({
    description,
    stateRoot: options.stateRoot,
    searchPath: options.searchPath,
    onProgress: narrate,
    onProblem: () => {},
  });
  // An interrupt during the start waits for it, so that there is something whole to take down.
  const lab = await starting;
  try {
    narrate(`the lab is up after ${seconds(startMs)}`);
    for (const group of claimGroups) {
      if (stopping.signal.aborted) break;
      if (options.only && !options.only.includes(group.id)) continue;
      await runGroup(group, lab, claims, narrate, stopping.signal, say);
    }
  } finally {
    await lab.down();
  }
  const leftovers = await findLeftovers(description.name, new LabPaths(options.stateRoot, description.name).root);
  report(claims, say, {
    id: '0.1',
    text: 'nothing is left behind: no process, namespace, rule, mount or file',
    observed: leftovers.length === 0 ? 'nothing found' : leftovers.join('; '),
    isProven: leftovers.length === 0,
  });
  const refuted = claims.filter(({ isProven }) => !isProven).length;
  say(
    `${claims.length - refuted} proven, ${refuted} refuted${stopping.signal.aborted ? ', interrupted' : ''} (${seconds(startMs)})`,
  );
  return refuted === 0 && !stopping.signal.aborted;
}

async function runGroup(
  group: ClaimGroup,
  lab: Lab,
  claims: Claim[],
  narrate: (line: string) => void,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<void> {
  say(`\n${group.id}. ${group.title}`);
  const deadline = AbortSignal.timeout(GROUP_TIMEOUT_MS);
  const limited = AbortSignal.any([signal, deadline]);
  try {
    const proof = group.prove({ lab, narrate, signal: limited, report: (claim) => report(claims, say, claim) });
    await Promise.race([proof, ...(limited.aborted ? [] : [once(limited, 'abort')])]);
    if (deadline.aborted) throw new LabError('NOT_READY', `did not end within ${GROUP_TIMEOUT_MS / 1_000} s`);
  } catch (cause) {
    report(claims, say, {
      id: `${group.id}.x`,
      text: `the claims of this group can be looked at`,
      observed: toAmbitError(cause).message,
      isProven: false,
    });
  }
}

function report(claims: Claim[], say: (line: string) => void, claim: Claim): void {
  claims.push(claim);
  say(`${claim.isProven ? '✔' : '✘'} ${claim.id} ${claim.text} — ${claim.observed}`);
}

function seconds(startMs: number): string {
  return `${((performance.now() - startMs) / 1_000).toFixed(1)} s`;
}
