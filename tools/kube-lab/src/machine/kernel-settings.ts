/**
 * Settings of the kernel that a kubelet changes for the whole machine, as they know no namespaces. The first lab writes
 * down what it finds; the last one puts it back.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SETTINGS: readonly string[] = [
  'kernel/panic',
  'kernel/panic_on_oops',
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
];
const RECORD = '.kernel-settings.json';

/** @param labs folder with one folder per lab */
export function rememberKernelSettings(labs: string): void {
  const record = join(labs, RECORD);
  if (existsSync(record)) return;
  const found = SETTINGS.filter((setting) => existsSync(`/proc/sys/${setting}`));
  const values = found.map((setting) => [setting, readFileSync(`/proc/sys/${setting}`, 'utf8').trim()]);
  writeFileSync(record, JSON.stringify(Object.fromEntries(values)));
}

/** Does nothing while another lab is up. */
export function restoreKernelSettings(labs: string): void {
  const record = join(labs, RECORD);
  if (!existsSync(record) || readdirSync(labs).some((entry) => entry !== RECORD)) return;
  const values: unknown = JSON.parse(readFileSync(record, 'utf8'));
  for (const [setting, value] of Object.entries(values ?? {}))
    if (SETTINGS.includes(setting) && typeof value === 'string') writeFileSync(`/proc/sys/${setting}`, value);
  rmSync(record);
}
