/** Reads CA key material from a directory. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { keySetNames, readKeySet } from './key-set.ts';
import type { MaterialPem } from './signing-material.ts';

/** True if any file of key material is there: then the set must be complete. */
export function hasKeyMaterial(directory: string): boolean {
  return keySetNames.some((name) => existsSync(join(directory, name)));
}

/** Reads a complete set. Throws CaError KEY_MATERIAL_INCOMPLETE naming the files that are missing. */
export function readKeyDirectory(directory: string): MaterialPem {
  return readKeySet(directory, (name) => {
    try {
      return readFileSync(join(directory, name), 'utf8');
    } catch {
      return undefined;
    }
  });
}
