/** A CA without an API server: keys, key set of tokens and assignments are files. */
import { TokenVerifier } from '@ambit/grpc';
import type { Clock } from '@ambit/runtime';
import { AssignmentsFile, noAssignments } from '../callers/assignments-file.ts';
import type { CaConfig } from '../config.ts';
import { followMaterial, loadMaterial } from '../keys/load-material.ts';
import type { CaSource } from './ca-source.ts';

/** Opens the files. `onRefused` hears of changed key material that cannot be used. Throws CaError for unfit material. */
export function openFileSource(config: CaConfig, clock: Clock, onRefused: (error: unknown) => void): CaSource {
  const { jwksFile, audiences, tokenIssuer: issuer, assignmentsFile } = config;
  const directory = config.keyDirectory ?? config.stateDirectory;
  const following = new DisposableStack();
  return {
    material: loadMaterial(config, clock),
    tokens: jwksFile === undefined ? undefined : new TokenVerifier({ jwksFile, audiences, issuer, clock }),
    assignments: assignmentsFile === undefined ? noAssignments : new AssignmentsFile(assignmentsFile),
    serve: (authority) => {
      if (directory !== undefined) following.use(followMaterial(directory, authority, clock, onRefused));
    },
    observe: () => undefined,
    [Symbol.asyncDispose]: async () => following.dispose(),
  };
}
