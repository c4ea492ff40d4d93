/** Debian packages of a list, installed where they are missing. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { runCommand } from '@ambit/runtime';
import { KubeLabError } from '../kube-lab-error.ts';
import type { Progress } from '../progress.ts';

const POLICY = '/usr/sbin/policy-rc.d';
const INSTALL_TIMEOUT_MS = 900_000;

/** Names of a list with `# remarks` and reasons behind the names. */
export function parsePackageList(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().split(/\s+/)[0] ?? '')
    .filter((name) => name !== '');
}

/** @returns names that are not installed; none on a system without dpkg, where nobody can tell */
export async function missingPackages(listFile: string): Promise<readonly string[]> {
  if (!existsSync('/usr/bin/dpkg-query')) return [];
  const names = parsePackageList(readFileSync(listFile, 'utf8'));
  const { stdout } = await runCommand(['dpkg-query', '-W', '-f', '${Package} ${db:Status-Status}\n', ...names]);
  const installed = new Set(
    stdout.split('\n').flatMap((line) => (line.endsWith(' installed') ? [line.split(' ')[0]] : [])),
  );
  return names.filter((name) => !installed.has(name));
}

/**
 * Installs what is missing. Services that packages bring, such as containerd and dockerd, are not started: they would
 * run in the machine's own network.
 * @throws KubeLabError `TOOL_MISSING` with the command to type
 */
export async function installPackages(listFile: string, progress: Progress): Promise<void> {
  const missing = await missingPackages(listFile);
  if (missing.length === 0) return;
  const byHand = `apt-get update && apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0) throw new KubeLabError('TOOL_MISSING', `Debian packages are missing; type: ${byHand}`);
  progress(`installing Debian packages: ${missing.join(' ')}`);
  const makesPolicy = !existsSync(POLICY);
  if (makesPolicy) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
    await apt(['update'], env, byHand);
    await apt(['install', '-y', '--no-install-recommends', ...missing], env, byHand);
  } finally {
    if (makesPolicy) rmSync(POLICY, { force: true });
  }
}

async function apt(args: readonly string[], env: Readonly<Record<string, string>>, byHand: string): Promise<void> {
  const result = await runCommand(['apt-get', '-q', '-o', 'DPkg::Lock::Timeout=120', ...args], {
    env,
    timeoutMs: INSTALL_TIMEOUT_MS,
  });
  if (result.code === 0) return;
  const tail = `${result.stdout}\n${result.stderr}`.trim().split('\n').slice(-8).join('\n');
  throw new KubeLabError('TOOL_MISSING', `apt-get ${args[0] ?? ''} failed; type: ${byHand}\n${tail}`);
}
