/** Takes out of a container's description what a machine without CAP_SYS_RESOURCE refuses. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A file that describes a container with its first process, or a further process of one. */
export interface RuntimeCall {
  readonly kind: 'container' | 'process';
  readonly file: string;
}

/** What runc is called for; undefined when that starts no process. */
export function runtimeCall(args: readonly string[]): RuntimeCall | undefined {
  if (args.includes('create') || args.includes('run'))
    return { kind: 'container', file: join(option(args, '--bundle', '-b') ?? '.', 'config.json') };
  const file = args.includes('exec') ? option(args, '--process', '-p') : undefined;
  return file === undefined ? undefined : { kind: 'process', file };
}

/** Rewrites the file in place. @param lowestScore the caller's own oom_score_adj, below which nothing can go */
export function softenDescription(call: RuntimeCall, lowestScore: number): void {
  if (!existsSync(call.file)) return;
  const description: unknown = JSON.parse(readFileSync(call.file, 'utf8'));
  const process = call.kind === 'container' ? field(description, 'process') : description;
  if (!isRecord(process)) return;
  const { capabilities, oomScoreAdj } = process;
  if (isRecord(capabilities))
    for (const [set, names] of Object.entries(capabilities))
      if (Array.isArray(names)) capabilities[set] = names.filter((name) => name !== 'CAP_SYS_RESOURCE');
  if (typeof oomScoreAdj === 'number' && oomScoreAdj < lowestScore) process['oomScoreAdj'] = lowestScore;
  process['rlimits'] = [];
  writeFileSync(call.file, JSON.stringify(description));
}

function option(args: readonly string[], ...names: readonly string[]): string | undefined {
  for (const [index, arg] of args.entries()) {
    const [name = '', value] = arg.split(/=(.*)/s);
    if (names.includes(name)) return value ?? args[index + 1];
  }
  return undefined;
}

function field(value: unknown, name: string): unknown {
  return isRecord(value) ? value[name] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
