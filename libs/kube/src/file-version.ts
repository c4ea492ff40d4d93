import type { PlainObject, ProblemSink } from './object-reader.ts';
import { isPlainObject } from './object-reader.ts';
import { identifyObject, type ObjectIdentity } from './read-resource.ts';
import type { SourceReport } from './report.ts';
import { parseYamlDocuments, type LocatedObject } from './yaml-documents.ts';

/** An object of a file that says which object it is; its content is not validated yet. */
export interface IdentifiedObject {
  readonly identity: ObjectIdentity;
  readonly value: PlainObject;
  readonly locate: LocatedObject['locate'];
}

/** What one file contributes, and what is wrong with it as a whole. */
export interface FileVersion {
  readonly file: string;
  readonly objects: readonly IdentifiedObject[];
  readonly reports: readonly SourceReport[];
}

/**
 * Reads the text of a file. A file that cannot be parsed, or that holds an object nobody can name, contributes what
 * its previous version did: half a file is never put in force.
 */
export function readFileVersion(file: string, text: string, previous: FileVersion | undefined): FileVersion {
  const parsed = parseYamlDocuments(file, text);
  if (parsed.kind === 'broken') return brokenVersion(file, parsed.location, parsed.message, previous);
  const objects: IdentifiedObject[] = [];
  const reports: SourceReport[] = [];
  let isComplete = true;
  for (const located of parsed.objects) {
    const sink: ProblemSink = {
      problem(severity, code, path, message) {
        const consequence = severity === 'error' ? inForce(previous) : '';
        reports.push({ severity, code, location: located.locate(path), message: message + consequence });
      },
    };
    const found = identifyObject(located.value, sink);
    if (found.kind === 'nameless') isComplete = false;
    if (found.kind !== 'known' || !isPlainObject(located.value)) continue;
    objects.push({ identity: found.identity, value: located.value, locate: located.locate });
  }
  return { file, objects: isComplete ? objects : (previous?.objects ?? []), reports };
}

/** The version of a file that could not be used at all. */
export function brokenVersion(
  file: string,
  location: SourceReport['location'],
  message: string,
  previous: FileVersion | undefined,
): FileVersion {
  const report: SourceReport = {
    severity: 'error',
    code: 'unreadable',
    location,
    message: message + inForce(previous),
  };
  return { file, objects: previous?.objects ?? [], reports: [report] };
}

function inForce(previous: FileVersion | undefined): string {
  return previous === undefined || previous.objects.length === 0
    ? '; nothing of this file is in force'
    : '; the last good version of this file stays in force';
}
