/** Certificates for the tests of this folder, made by the openssl command: an implementation that is not under test. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TestCertificate {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

/** A root key that issues leaves. */
export class TestAuthority {
  readonly rootsPem: string;
  readonly #keyPem: string;

  constructor(name: string) {
    const made = inFolder((dir) => {
      run(dir, ['req', '-x509', ...newKey, '-keyout', 'key', '-out', 'cert', '-days', '2', '-subj', `/O=${name}`]);
      return { key: readFileSync(join(dir, 'key'), 'utf8'), cert: readFileSync(join(dir, 'cert'), 'utf8') };
    });
    this.#keyPem = made.key;
    this.rootsPem = made.cert;
  }

  /** A leaf with an empty subject; `extensions` are lines of an openssl extension section. */
  issue(extensions: readonly string[]): TestCertificate {
    return inFolder((dir) => {
      writeFileSync(join(dir, 'ca-key'), this.#keyPem);
      writeFileSync(join(dir, 'ca-cert'), this.rootsPem);
      writeFileSync(join(dir, 'ext'), ['[leaf]', ...extensions, ''].join('\n'));
      run(dir, ['req', ...newKey, '-keyout', 'key', '-out', 'csr', '-subj', '/']);
      run(dir, [
        'x509',
        '-req',
        '-in',
        'csr',
        '-CA',
        'ca-cert',
        '-CAkey',
        'ca-key',
        '-days',
        '1',
        '-out',
        'cert',
        '-extfile',
        'ext',
        '-extensions',
        'leaf',
      ]);
      return {
        certificateChainPem: readFileSync(join(dir, 'cert'), 'utf8'),
        privateKeyPem: readFileSync(join(dir, 'key'), 'utf8'),
      };
    });
  }

  /** A leaf as the mesh issues it: one critical URI name, both purposes. */
  issueWorkload(id: string): TestCertificate {
    return this.issue([
      `subjectAltName=critical,URI:${id}`,
      'extendedKeyUsage=serverAuth,clientAuth',
      'keyUsage=critical,digitalSignature,keyEncipherment',
      'basicConstraints=critical,CA:FALSE',
    ]);
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

function inFolder<T>(make: (dir: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'ambit-net-'));
  try {
    return make(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function run(cwd: string, args: readonly string[]): void {
  execFileSync('openssl', args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
}
