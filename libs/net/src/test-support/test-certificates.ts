/** Certificates for the tests of this folder, made by the openssl command: an implementation that is not under test. */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
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
  readonly #certificatePem: string;
  /** What stands between its leaves and the root. */
  readonly #intermediatesPem: string;

  /** A root, or with `made` what another authority has issued. */
  constructor(name: string, made?: TestCertificate, rootsPem?: string) {
    const own = made ?? inFolder((dir) => selfSigned(dir, name));
    this.#keyPem = own.privateKeyPem;
    this.#certificatePem = own.certificateChainPem;
    this.#intermediatesPem = made?.certificateChainPem ?? '';
    this.rootsPem = rootsPem ?? own.certificateChainPem;
  }

  /** An authority below this one. */
  intermediate(name: string): TestAuthority {
    const extensions = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
    return new TestAuthority(name, this.issue(extensions, `/O=${name}`), this.rootsPem);
  }

  /** PEM of its revocation list with these certificates of its own; `expired` lists should have been replaced. */
  revoke(certificates: readonly TestCertificate[], expired = false): string {
    return inFolder((dir) => {
      const serials = certificates.map((one) => new X509Certificate(one.certificateChainPem).serialNumber);
      writeFileSync(join(dir, 'ca-key'), this.#keyPem);
      writeFileSync(join(dir, 'ca-cert'), this.#certificatePem);
      writeFileSync(join(dir, 'conf'), revocationConfig);
      writeFileSync(
        join(dir, 'index'),
        serials.map((serial) => `R\t400101000000Z\t260101000000Z\t${serial}\tunknown\t/\n`).join(''),
      );
      const times = [
        '-crl_lastupdate',
        '20260101000000Z',
        '-crl_nextupdate',
        expired ? '20260102000000Z' : '20400101000000Z',
      ];
      run(dir, ['ca', '-gencrl', '-config', 'conf', '-keyfile', 'ca-key', '-cert', 'ca-cert', ...times, '-out', 'crl']);
      return readFileSync(join(dir, 'crl'), 'utf8');
    });
  }

  /** A leaf with an empty subject; `extensions` are lines of an openssl extension section. */
  issue(extensions: readonly string[], subject = '/'): TestCertificate {
    return inFolder((dir) => {
      writeFileSync(join(dir, 'ca-key'), this.#keyPem);
      writeFileSync(join(dir, 'ca-cert'), this.#certificatePem);
      writeFileSync(join(dir, 'ext'), ['[leaf]', ...extensions, ''].join('\n'));
      run(dir, ['req', ...newKey, '-keyout', 'key', '-out', 'csr', '-subj', subject]);
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
        certificateChainPem: readFileSync(join(dir, 'cert'), 'utf8') + this.#intermediatesPem,
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

function selfSigned(dir: string, name: string): TestCertificate {
  run(dir, ['req', '-x509', ...newKey, '-keyout', 'key', '-out', 'cert', '-days', '2', '-subj', `/O=${name}`]);
  return {
    certificateChainPem: readFileSync(join(dir, 'cert'), 'utf8'),
    privateKeyPem: readFileSync(join(dir, 'key'), 'utf8'),
  };
}

const revocationConfig = '[ca]\ndefault_ca=own\n[own]\ndatabase=index\ndefault_md=sha256\n';

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
