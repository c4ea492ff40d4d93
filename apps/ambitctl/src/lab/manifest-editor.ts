/** Edits the manifests in force: labels, new files. Comments and the order of fields stay. */
import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isMap, parseAllDocuments, type Document } from 'yaml';
import { LabError } from './lab-error.ts';

export interface ObjectName {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

export class ManifestEditor {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Sets a label, or removes it when the value is undefined. @throws LabError `BAD_MANIFEST` when the object is not there. */
  label(object: ObjectName, key: string, value: string | undefined): void {
    this.#edit(object, (document) => {
      if (value === undefined) document.deleteIn(['metadata', 'labels', key]);
      else {
        if (!isMap(document.getIn(['metadata', 'labels'])))
          document.setIn(['metadata', 'labels'], document.createNode({}));
        document.setIn(['metadata', 'labels', key], value);
      }
    });
  }

  /** Puts a manifest in force under a file name of its own, in place of an earlier one of that name. */
  put(fileName: string, text: string): void {
    this.#write(join(this.#directory, this.#checked(fileName)), text);
  }

  /** Takes a file out of force; nothing happens when it is not there. */
  remove(fileName: string): void {
    rmSync(join(this.#directory, this.#checked(fileName)), { force: true });
  }

  /** Puts a copy of a file in force. */
  add(path: string): void {
    const target = join(this.#directory, this.#checked(basename(path)));
    copyFileSync(path, `${target}.new`);
    renameSync(`${target}.new`, target);
  }

  #checked(fileName: string): string {
    if (!/^[\w.-]+\.ya?ml$/.test(fileName))
      throw new LabError('BAD_MANIFEST', `"${fileName}" must be a file name that ends in .yaml`);
    return fileName;
  }

  #edit(object: ObjectName, change: (document: Document) => void): void {
    for (const fileName of readdirSync(this.#directory).filter((name) => /\.ya?ml$/.test(name))) {
      const path = join(this.#directory, fileName);
      const documents = parseAllDocuments(readFileSync(path, 'utf8'));
      const found = documents.find((document) => isObject(document, object));
      if (!found) continue;
      change(found);
      this.#write(path, documents.map(String).join(''));
      return;
    }
    throw new LabError(
      'BAD_MANIFEST',
      `no manifest of the lab holds ${object.kind} ${object.namespace === undefined ? '' : `${object.namespace}/`}${object.name}`,
    );
  }

  #write(path: string, text: string): void {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }
}

function isObject(document: Document, { kind, namespace, name }: ObjectName): boolean {
  return (
    isMap(document.contents) &&
    document.get('kind') === kind &&
    document.getIn(['metadata', 'name']) === name &&
    (namespace === undefined || (document.getIn(['metadata', 'namespace']) ?? 'default') === namespace)
  );
}
