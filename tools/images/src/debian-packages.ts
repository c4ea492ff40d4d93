/** Which Debian packages files of this machine come from: for the bill of materials and the licences beside the files. */
import { execFileSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';

/** An installed package. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly source: string;
  /** Its entry in dpkg's database, without the fields that say how it is installed here. */
  readonly control: string;
  /** Path of its licence text, when it has one. */
  readonly copyright?: string;
}

/**
 * The packages that own these files, sorted by name. Files that belong to none (made here) are left out.
 * @throws Error on a machine without dpkg
 */
export function packagesOf(sources: readonly string[]): DebianPackage[] {
  const owners = new Set<string>();
  const output = dpkgQuery(['-S', ...new Set(sources.flatMap(spellings))]);
  for (const line of output.split('\n')) {
    if (line.startsWith('diversion ')) continue;
    const cut = line.indexOf(': /');
    if (cut > 0) for (const name of line.slice(0, cut).split(', ')) owners.add(name);
  }
  return [...owners].toSorted().map(readPackage);
}

/** dpkg knows a file under the name its package gave it, which may or may not begin with /usr. */
function spellings(path: string): string[] {
  return [path, realpathSync(path)].flatMap((known) =>
    known.startsWith('/usr/') ? [known, known.slice('/usr'.length)] : [known, `/usr${known}`],
  );
}

function dpkgQuery(args: readonly string[]): string {
  try {
    return execFileSync('dpkg-query', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (cause) {
    const { stdout, code } = cause as { stdout?: string; code?: string };
    if (code === 'ENOENT') throw new Error('images take their libraries from Debian packages; dpkg-query is not here');
    // It fails when one of several files is unknown, and still prints the others.
    return stdout ?? '';
  }
}

/** What the machine's administration added does not describe the package. */
const LOCAL_FIELDS = /^(?:Status|Conffiles):.*\n(?: .*\n)*/gm;

function readPackage(id: string): DebianPackage {
  const control = dpkgQuery(['-s', id]).replaceAll(LOCAL_FIELDS, '');
  const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, 'm').exec(control)?.[1];
  const name = field('Package');
  const version = field('Version');
  if (name === undefined || version === undefined) throw new Error(`dpkg-query knows no package ${id}`);
  const copyright = `/usr/share/doc/${name}/copyright`;
  return {
    name,
    version,
    architecture: field('Architecture') ?? 'all',
    source: (field('Source') ?? name).replace(/ .*/, ''),
    control,
    ...(existsSync(copyright) ? { copyright } : {}),
  };
}
