/** What is known of kernels and their GPUs. No DOM, no HTTP, no clock of its own. */

import { type ISignal, Signal } from '@lumino/signaling';

import { ApiError, ServerAway } from '../errors';
import type { KernelAnswer, KernelsAnswer } from '../wire';

/**
 * - `loading`: nothing has come yet
 * - `live`: the newest answer is what is shown
 * - `away`: no answer; what is shown is old
 */
export type Phase = 'loading' | 'live' | 'away';

export interface IKernelState {
  readonly phase: Phase;
  readonly kernels: ReadonlyMap<string, KernelAnswer>;
  readonly idle: KernelsAnswer['idle'];
  readonly findings: KernelsAnswer['findings'];
  readonly strength: KernelsAnswer['strength'];
  /** Ids of kernels that an unfinished call is about. */
  readonly busy: ReadonlySet<string>;
}

export class KernelModel {
  constructor(private readonly _ask: () => Promise<KernelsAnswer>) {}

  get state(): IKernelState {
    return this._state;
  }

  /** Emitted after each answer, after each failure, and when a call begins or ends. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Ask once and take the answer in. Rejects when there was none: whoever polls can slow down. */
  async refresh(): Promise<void> {
    const turn = ++this._turn;
    try {
      const { items, idle, findings, strength } = await this._ask();
      // Overtaken by the answer to a later question, this one is old.
      if (turn > this._taken) {
        this._taken = turn;
        const kernels = new Map(items.map(item => [item.kernel_id, item]));
        this._set({ phase: 'live', kernels, idle, findings, strength });
      }
    } catch (reason) {
      const isTold = reason instanceof ApiError || reason instanceof ServerAway;
      if (isTold && turn > this._taken) {
        this._set({ phase: 'away' });
      }
      throw reason;
    }
  }

  /** Show what a call has answered, before the next refresh tells the rest. */
  take(kernel: KernelAnswer): void {
    this._taken = ++this._turn;
    const kernels = new Map(this._state.kernels).set(kernel.kernel_id, kernel);
    this._set({ kernels });
  }

  /** Mark a kernel while a call about it runs. */
  async during<T>(id: string, call: () => Promise<T>): Promise<T> {
    this._set({ busy: new Set([...this._state.busy, id]) });
    try {
      return await call();
    } finally {
      const busy = new Set(this._state.busy);
      busy.delete(id);
      this._set({ busy });
    }
  }

  private _set(changes: Partial<IKernelState>): void {
    this._state = { ...this._state, ...changes };
    this._changed.emit();
  }

  private _state: IKernelState = {
    phase: 'loading',
    kernels: new Map(),
    idle: [],
    findings: [],
    strength: 'advisory',
    busy: new Set()
  };
  private _turn = 0;
  private _taken = 0;
  private readonly _changed = new Signal<this, void>(this);
}
