/** What is to be installed: the charts of this program's version, and the settings a user gave. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { ClusterFacts } from './cluster-facts.ts';
import { InstallError } from './install-error.ts';
import { profileFor } from './platform.ts';

export interface InstallationFlags {
  readonly namespace: string;
  /** `auto`, `none`, or a name of `charts/ambit/profiles`. */
  readonly profile: string;
  readonly values?: readonly string[];
  readonly set?: readonly string[];
  /** Folder with the charts. */
  readonly charts: string;
  /** False: no pods are started that look at the nodes. */
  readonly probe: boolean;
}

/** Folder of the charts beside the program; it runs from `apps/ambitctl/src` or `apps/ambitctl/dist`. */
export function chartsBeside(program: string): string {
  return resolve(dirname(program), '../../../charts');
}

/** Path of a chart. @throws InstallError `BAD_SOURCE` when it is not there */
export function chartFolder(flags: InstallationFlags, chart: string): string {
  const folder = join(flags.charts, chart);
  if (existsSync(join(folder, 'Chart.yaml'))) return folder;
  throw new InstallError('BAD_SOURCE', `there is no chart ${chart} in ${flags.charts}; name its folder with --charts`);
}

/**
 * Arguments of helm. What the user says comes last and wins.
 * @throws InstallError `BAD_SOURCE` for a profile that does not exist
 */
export function helmSettings(
  flags: InstallationFlags,
  facts: Pick<ClusterFacts, 'nodes' | 'groups'>,
): readonly string[] {
  const profile = flags.profile === 'auto' ? (profileFor(facts) ?? 'none') : flags.profile;
  const file = join(chartFolder(flags, 'ambit'), 'profiles', `${profile}.yaml`);
  if (profile !== 'none' && !existsSync(file)) {
    throw new InstallError('BAD_SOURCE', `there is no profile ${profile}: ${file} is missing`);
  }
  return [
    ...(profile === 'none' ? [] : ['--values', file]),
    ...(flags.values ?? []).flatMap((path) => ['--values', path]),
    ...(flags.set ?? []).flatMap((setting) => ['--set', setting]),
  ];
}
