/** What a lab needs of the machine, checked before anything is made. */
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { LabError } from './lab-error.ts';

/** Program -> Debian package. */
const TOOLS: ReadonlyMap<string, string> = new Map([
  ['ip', 'iproute2'],
  ['ss', 'iproute2'],
  ['nft', 'nftables'],
  ['iptables-save', 'iptables'],
  ['ipset', 'ipset'],
  ['nsenter', 'util-linux'],
  ['unshare', 'util-linux'],
  ['setpriv', 'util-linux'],
  ['sysctl', 'procps'],
]);

/** @throws LabError `NOT_ROOT` or `TOOL_MISSING`, with what to type. */
export function checkRequirements(searchPath: string): void {
  if (process.getuid?.() !== 0)
    throw new LabError('NOT_ROOT', 'A lab is made of network namespaces, which needs root. Try: sudo npm start');
  const missing = [...TOOLS].filter(([tool]) => !isInstalled(tool, searchPath));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map(([, name]) => name))];
  throw new LabError(
    'TOOL_MISSING',
    `Not installed: ${missing.map(([tool]) => tool).join(', ')}. Try: apt-get install ${packages.join(' ')}`,
  );
}

function isInstalled(tool: string, searchPath: string): boolean {
  return searchPath.split(':').some((directory) => {
    try {
      accessSync(join(directory, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
