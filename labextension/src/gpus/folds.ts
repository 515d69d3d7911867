/** Which sections and devices are open. Kept over a reload where the application can. */

import { type ISignal, Signal } from '@lumino/signaling';

export class Folds {
  constructor(
    private readonly _save: (open: Record<string, boolean>) => void = () =>
      undefined
  ) {}

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** What a person chose, else `otherwise`. */
  isOpen(key: string, otherwise: boolean): boolean {
    return this._open[key] ?? otherwise;
  }

  set(key: string, open: boolean): void {
    this._open = { ...this._open, [key]: open };
    this._save(this._open);
    this._changed.emit();
  }

  /** What was saved before; a choice made since then is newer and stays. */
  restore(saved: unknown): void {
    const earlier = Object.entries(saved ?? {}).filter(
      ([, open]) => typeof open === 'boolean'
    );
    this._open = { ...Object.fromEntries(earlier), ...this._open };
    this._changed.emit();
  }

  private _open: Record<string, boolean> = {};
  private readonly _changed = new Signal<this, void>(this);
}
