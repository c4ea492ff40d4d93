/** Where the static programs for the node lie: beside the bundle in an image; built on first use in a checkout. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AmbitError, mustRun } from '@ambit/runtime';

/** `ambit-cni`: the plugin the runtime starts. `ambit-netns`: looks into pods' namespaces for the agent. */
export type NodeProgram = 'ambit-cni' | 'ambit-netns';

/** @throws AmbitError `PROGRAM_MISSING` when it is not there and there is nothing to build it from. */
export async function nodeProgram(name: NodeProgram): Promise<string> {
  const beside = join(import.meta.dirname, name);
  if (existsSync(beside)) return beside;
  const sources = join(import.meta.dirname, '../plugin');
  if (!existsSync(join(sources, 'build.sh')))
    throw new AmbitError('PROGRAM_MISSING', `${beside} is missing; apps/cni-agent/plugin/build.sh makes it`);
  await mustRun(['sh', join(sources, 'build.sh')], { timeoutMs: 120_000 });
  return join(sources, 'build', name);
}
