import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestCa, TestCertificate } from './certificates.ts';

const CONFIG = '[ca]\ndefault_ca=own\n[own]\ndatabase=index\ndefault_md=sha256\n';

/** PEM of a revocation list of the authority, valid for a day; made by the openssl command. */
export function makeRevocationList(
  authority: Pick<TestCa, 'signingCertificatePem' | 'signingKeyPem'>,
  revoked: readonly Pick<TestCertificate, 'serialNumber'>[],
): string {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-crl-'));
  try {
    const entries = revoked.map(
      ({ serialNumber }) => `R\t400101000000Z\t260101000000Z\t${serial(serialNumber)}\tunknown\t/\n`,
    );
    writeFileSync(join(folder, 'index'), entries.join(''));
    writeFileSync(join(folder, 'conf'), CONFIG);
    writeFileSync(join(folder, 'cert'), authority.signingCertificatePem);
    writeFileSync(join(folder, 'key'), authority.signingKeyPem, { mode: 0o600 });
    const files = ['-config', 'conf', '-keyfile', 'key', '-cert', 'cert', '-out', 'crl'];
    execFileSync('openssl', ['ca', '-gencrl', '-crldays', '1', ...files], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    return readFileSync(join(folder, 'crl'), 'utf8');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** From decimal to whole bytes in upper case, as the command keeps it. */
function serial(decimal: string): string {
  const hex = BigInt(decimal).toString(16).toUpperCase();
  return hex.length % 2 === 0 ? hex : `0${hex}`;
}
