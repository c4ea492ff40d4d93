import type { SecretContent, SecretStore, StoredSecret } from '../keys/secret-store.ts';

/** Secrets in memory, with versions and failures on demand. */
export class MemorySecrets implements SecretStore {
  readonly secrets: Map<string, StoredSecret & SecretContent> = new Map();
  /** When set, every call rejects with it. */
  failure: Error | undefined;
  #version = 0;

  put(name: string, data: Readonly<Record<string, string>>, annotations: Readonly<Record<string, string>> = {}): void {
    this.#set({ name, type: 'Opaque', annotations, data });
  }

  async read(name: string): Promise<StoredSecret | undefined> {
    this.#check();
    return this.secrets.get(name);
  }

  async create(content: SecretContent): Promise<boolean> {
    this.#check();
    if (this.secrets.has(content.name)) return false;
    this.#set(content);
    return true;
  }

  async replace(content: SecretContent, version: string): Promise<boolean> {
    this.#check();
    if (this.secrets.get(content.name)?.version !== version) return false;
    this.#set(content);
    return true;
  }

  async remove(name: string): Promise<void> {
    this.#check();
    this.secrets.delete(name);
  }

  #set(content: SecretContent): void {
    this.#version += 1;
    this.secrets.set(content.name, { ...content, version: String(this.#version) });
  }

  #check(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}
