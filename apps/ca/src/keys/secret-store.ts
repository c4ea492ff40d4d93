/** Secrets of the CA's own namespace: where key material lives on Kubernetes. */

/** A Secret as far as the CA reads it. Holds private keys: never log one. */
export interface StoredSecret {
  readonly name: string;
  /** Changes whenever the Secret does. */
  readonly version: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** Decoded text by key. */
  readonly data: Readonly<Record<string, string>>;
}

/** What to write. */
export interface SecretContent {
  readonly name: string;
  readonly type: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly data: Readonly<Record<string, string>>;
}

/** The store; implementations reject for anything but the outcomes that are named. */
export interface SecretStore {
  read(name: string): Promise<StoredSecret | undefined>;
  /** False if a Secret of that name exists already. */
  create(content: SecretContent): Promise<boolean>;
  /** False if the Secret is no longer at `version`. */
  replace(content: SecretContent, version: string): Promise<boolean>;
  /** Resolves also if it is gone already. */
  remove(name: string): Promise<void>;
}
