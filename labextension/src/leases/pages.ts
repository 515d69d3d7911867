/** A list that is read a page at a time, newest first. No DOM, no HTTP. */

export interface IPages<T> {
  readonly items: readonly T[];
  /** Where older ones begin; `null`: there are none. */
  readonly next: string | null;
  readonly phase: 'unasked' | 'loading' | 'known' | 'failed';
}

interface IAnswer<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

export class Pages<T> {
  constructor(
    private readonly _ask: (cursor: string | undefined) => Promise<IAnswer<T>>,
    /** Called after each change. */
    private readonly _changed: () => void
  ) {}

  get state(): IPages<T> {
    return this._state;
  }

  /** Ask for the newest, or for those after the ones that are known. Never rejects. */
  async load(more: boolean): Promise<void> {
    const before = this._state;
    this._set({ ...before, phase: 'loading' });
    try {
      const { items, next } = await this._ask(
        more ? (before.next ?? undefined) : undefined
      );
      this._isLong = more;
      this._set({
        items: more ? [...before.items, ...items] : items,
        next,
        phase: 'known'
      });
    } catch {
      this._set({ ...before, phase: 'failed' });
    }
  }

  /** Ask for the newest again, unless older ones are read: they would go from under the eyes. */
  async renew(): Promise<void> {
    if (this._state.phase === 'known' && !this._isLong) {
      await this.load(false);
    }
  }

  private _set(state: IPages<T>): void {
    this._state = state;
    this._changed();
  }

  private _state: IPages<T> = { items: [], next: null, phase: 'unasked' };
  private _isLong = false;
}
