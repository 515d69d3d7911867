/** The limits that a person asks for, and what the server says to them. */

import { type ISignal, Signal } from '@lumino/signaling';

import { ApiError, ServerAway } from '../errors';
import type { ValidationAnswer, ValidationBody } from '../wire';

export interface ILimitFields {
  readonly time: string;
  readonly cellTime: string;
  readonly memory: string;
  readonly gpuMemory: string;
  /** Run also what has passed and has not changed since. */
  readonly again: boolean;
  readonly cold: boolean;
}

export type LimitName = 'time' | 'cellTime' | 'memory' | 'gpuMemory';

export interface IProblem {
  /** `null`: of the whole. */
  readonly field: LimitName | null;
  readonly text: string;
}

const NOTHING: ILimitFields = {
  time: '',
  cellTime: '',
  memory: '',
  gpuMemory: '',
  again: false,
  cold: false
};

const FIELDS: Record<string, LimitName> = {
  time_limit: 'time',
  cell_time_limit: 'cellTime',
  memory_limit: 'memory',
  gpu_memory_limit: 'gpuMemory'
};

export interface IFormState {
  readonly fields: ILimitFields;
  readonly problem: IProblem | null;
  readonly isBusy: boolean;
}

export class LimitForm {
  constructor(
    private readonly _start: (
      body: ValidationBody
    ) => Promise<ValidationAnswer>,
    private readonly _paths: readonly string[],
    saved: unknown,
    /** Whether the machine has GPUs, so that their memory can be limited. */
    readonly hasGpus = false
  ) {
    this._state = { fields: remembered(saved), problem: null, isBusy: false };
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get state(): IFormState {
    return this._state;
  }

  get paths(): readonly string[] {
    return this._paths;
  }

  set(change: Partial<ILimitFields>): void {
    this._set({ fields: { ...this._state.fields, ...change }, problem: null });
  }

  /** `null`: it was refused, and the state says why; or it is on its way already. */
  async submit(): Promise<ValidationAnswer | null> {
    if (this._state.isBusy) {
      return null;
    }
    this._set({ isBusy: true, problem: null });
    try {
      return await this._start(
        bodyOf(this._paths, this._state.fields, this.hasGpus)
      );
    } catch (reason) {
      if (!(reason instanceof ApiError || reason instanceof ServerAway)) {
        throw reason;
      }
      this._set({ problem: problemOf(reason) });
      return null;
    } finally {
      this._set({ isBusy: false });
    }
  }

  dispose(): void {
    Signal.clearData(this);
  }

  private _set(change: Partial<IFormState>): void {
    this._state = { ...this._state, ...change };
    this._changed.emit();
  }

  private _state: IFormState;
  private readonly _changed = new Signal<this, void>(this);
}

/** What is left empty is left to the course's settings. */
export function bodyOf(
  paths: readonly string[],
  fields: ILimitFields,
  hasGpus: boolean
): ValidationBody {
  const given = (text: string) => text.trim() || null;
  return {
    paths: [...paths],
    time_limit: given(fields.time),
    cell_time_limit: given(fields.cellTime),
    memory_limit: given(fields.memory),
    gpu_memory_limit: hasGpus ? given(fields.gpuMemory) : null,
    kernel: null,
    cold: fields.cold || null,
    cache: fields.again ? false : null
  };
}

/** What was asked for last time, of which anything may have been made since. */
export function remembered(saved: unknown): ILimitFields {
  const given = (saved ?? {}) as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(NOTHING).map(([name, otherwise]) => [
      name,
      typeof given[name] === typeof otherwise ? given[name] : otherwise
    ])
  ) as unknown as ILimitFields;
}

function problemOf(reason: ApiError | ServerAway): IProblem {
  if (reason instanceof ServerAway) {
    return { field: null, text: reason.message };
  }
  const { name } = reason.detail;
  const field = typeof name === 'string' ? (FIELDS[name] ?? null) : null;
  // Beside its field, `memory_limit='soon'` is just `'soon'`.
  const text =
    field === null
      ? reason.message
      : reason.message.replace(`${String(name)}=`, '');
  return { field, text: `${text} ${reason.hint}`.trim() };
}
